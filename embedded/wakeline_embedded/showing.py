"""A stack's status as tables, for people."""

from __future__ import annotations

from datetime import timedelta
from textwrap import shorten

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wakeline_embedded.status import StackStatus
from wakeline_sdk.models import Backlog

_HEALTH_WIDTH = 160


def processes(console: Console, found: StackStatus) -> None:
    """Every process of a stack as it is now."""
    table = Table(title=f"{found.phase} in {found.folder}", title_justify="left")
    for heading in ("process", "state", "pid", "restarts", "MiB", "port", "health", "uptime"):
        right = heading in ("pid", "restarts", "MiB", "port", "uptime")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for one in found.processes:
        colour = "green" if one.works else "red"
        health = one.health if one.works or not one.detail else f"{one.health} ({one.detail})"
        table.add_row(
            one.name,
            f"[{colour}]{one.state}[/]",
            _text(one.pid),
            str(one.restarts),
            _text(one.memory_mb and round(one.memory_mb)),
            _text(one.port),
            escape(shorten(health, _HEALTH_WIDTH, placeholder=" ...")),
            "" if one.uptime_s is None else str(timedelta(seconds=round(one.uptime_s))),
        )
    console.print(table)
    if found.message:
        console.print(found.message, markup=False)


def backlogs(console: Console, behind: dict[str, Backlog | None]) -> None:
    """What waits in every service."""
    if not behind:
        return
    table = Table(title="what waits", title_justify="left")
    for heading in ("service", "lag", "outbox", "oldest", "dead", "parked", "waiting", "jobs"):
        table.add_column(heading, justify="left" if heading in ("service", "jobs") else "right")
    for name, one in behind.items():
        if one is None:
            table.add_row(name, "[red]no answer[/]")
            continue
        troubled = (
            f"[{'red' if count else 'green'}]{count}[/]"
            for count in (one.dead, one.parked, one.waiting)
        )
        table.add_row(
            name,
            "?" if one.lag is None else str(sum(one.lag.values())),
            str(one.outbox_rows),
            f"{one.outbox_oldest_seconds:.0f} s",
            *troubled,
            ", ".join(f"{count} {state}" for state, count in sorted(one.jobs.items())),
        )
    console.print(table)


def _text(value: float | None) -> str:
    return "" if value is None else str(value)
