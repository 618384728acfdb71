"""``wakeline trace``, ``wakeline impact`` and ``wakeline history``."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from wakeline_sdk.cli.command import Session, command
from wakeline_sdk.cli.showing import short, when
from wakeline_sdk.models import LineageNode

SHOWN = 12
"""Nodes under one that a person is shown; --all shows all."""

Id = Annotated[
    str, typer.Argument(metavar="ID", help="Of an asset, a label, a prediction, a model, a run...")
]
Depth = Annotated[int, typer.Option(min=1, max=50, help="Links that are followed at most.")]
Fan = Annotated[int, typer.Option(min=1, max=1_000, help="Neighbours of one node that are.")]
All = Annotated[bool, typer.Option("--all", help="Show every node, however many there are.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "trace")(trace)
    command(app, "impact")(impact)
    command(app, "history")(history)


def trace(
    session: Session, node: Id, depth: Depth = 16, fan: Fan = 1_000, all: All = False
) -> None:
    """Show where something comes from: images, people, labels, models that had a part in it."""
    _show(session, session.client.lineage.trace(node, depth=depth, fan=fan), everything=all)


def impact(
    session: Session, node: Id, depth: Depth = 16, fan: Fan = 1_000, all: All = False
) -> None:
    """Show what came of something: labels, dataset versions, models, predictions."""
    _show(session, session.client.lineage.impact(node, depth=depth, fan=fan), everything=all)


def history(
    session: Session,
    node: Id,
    type: Annotated[
        list[str] | None, typer.Option("--type", help="Of this type only; repeatable.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="From this moment on.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this moment.")] = None,
) -> None:
    """List every event that speaks of something, oldest first; with --json as published."""
    columns = {
        "position": lambda one: one.position,
        "time": lambda one: when(one.time),
        "type": lambda one: one.type,
        "key": lambda one: short(one.key),
        "sequence": lambda one: one.sequence,
        "event": lambda one: one.id,
    }
    events = session.client.lineage.history(node, types=type or (), since=since, until=until)
    session.display.rows(events, columns, none="no event speaks of it")


def _show(session: Session, nodes: Iterable[LineageNode], *, everything: bool) -> None:
    if session.display.as_json:
        session.display.rows(nodes, {}, none="")
        return
    below: dict[str, list[LineageNode]] = {}
    root, count, cut = None, 0, False
    for node in nodes:
        count, cut = count + 1, cut or node.more
        if node.depth == 0:
            root = node
        else:
            below.setdefault(node.links[0].node, []).append(node)
    assert root is not None
    tree = Tree(_told(root))
    _grow(tree, root.node, below, everything)
    Console().print(tree)
    session.display.say(f"{count} nodes" + (", and more where it says [...]" if cut else ""))


def _grow(branch: Tree, name: str, below: dict[str, list[LineageNode]], everything: bool) -> None:
    hanging = below.get(name, [])
    shown = hanging if everything else hanging[:SHOWN]
    for node in shown:
        _grow(branch.add(_told(node)), node.node, below, everything)
    if len(hanging) > len(shown):
        branch.add(Text(f"... {len(hanging) - len(shown)} more (--all)", style="dim"))


def _told(node: LineageNode) -> Text:
    """One line of the tree."""
    text = Text()
    if node.links:
        text.append(f"{node.links[0].says}: ", style="dim")
    text.append(node.kind, style="bold").append(f" {short(node.id)}")
    facts = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in node.facts.items()
        if isinstance(value, str | int | float)
    )
    if facts:
        text.append(f"  {facts}", style="dim")
    if len(node.links) > 1:
        text.append(f"  (+{len(node.links) - 1} ways)", style="dim")
    return text.append(" [...]") if node.more else text
