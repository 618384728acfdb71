"""Answers for people as tables, and for programs as JSON."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import typer
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

T = TypeVar("T")
Columns = Mapping[str, Callable[[Any], object]]
"""Heading -> what an item shows under it."""
UNBOUNDED = 10_000
"""Columns of a terminal wider than any table."""


class Display:
    """Shows what a command found."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def rows(self, items: Iterable[T], columns: Columns, *, none: str) -> None:
        """Show a list: a table, or a JSON array of which each item is a line.

        Where a table would have to break its words, each item gets a block of its own.

        Parameters
        ----------
        none
            What is said to people where there is no item.
        """
        if self.as_json:
            self._array(items)
            return
        rows = [[_cell(value(item)) for value in columns.values()] for item in items]
        if not rows:
            typer.echo(none)
            return
        console, table = Console(), Table(*columns)
        for row in rows:
            table.add_row(*row)
        anyhow = console.options.update(max_width=UNBOUNDED)
        if Measurement.get(console, anyhow, table).maximum <= console.width:
            console.print(table)
            return
        for number, row in enumerate(rows):
            if number:
                console.print()
            console.print(_facts(zip(columns, row, strict=True)))

    def one(self, item: object, facts: Mapping[str, object] | None = None) -> None:
        """Show one thing: its facts for people, all of it as JSON."""
        if self.as_json:
            typer.echo(json.dumps(_plain(item), indent=1))
            return
        shown = facts if facts is not None else dict(_plain(item))
        Console().print(_facts((name, _cell(value)) for name, value in shown.items()))

    def say(self, line: str) -> None:
        """Tell people, and not programs."""
        if not self.as_json:
            typer.echo(line)

    def progress(self) -> Progress:
        """A bar on standard error, where somebody may see it."""
        console = Console(stderr=True)
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=self.as_json or not console.is_terminal,
        )

    def _array(self, items: Iterable[object]) -> None:
        before = "["
        for item in items:
            typer.echo(f"{before}\n{json.dumps(_plain(item))}", nl=False)
            before = ","
        typer.echo("[]" if before == "[" else "\n]")


def short(name: str | None) -> str:
    """A long digest by its first characters, as people compare them."""
    if name is None:
        return ""
    dataset, colon, digest = name.rpartition(":")
    return f"{dataset}{colon}{digest[:12]}" if len(digest) > 16 else name


def when(moment: datetime | None) -> str:
    """A moment in local time, to the second."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _plain(item: object) -> Any:
    if isinstance(item, BaseModel):
        return item.model_dump(mode="json")
    return to_jsonable_python(item)


def _facts(facts: Iterable[tuple[str, Text]]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    return table


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, float):
        return Text(f"{value:.4g}")
    if isinstance(value, datetime):
        return Text(when(value))
    if isinstance(value, dict):
        return Text(", ".join(f"{key} {_cell(one)}" for key, one in value.items()))
    if isinstance(value, list | tuple):
        return Text(", ".join(str(_cell(one)) for one in value))
    return Text(str(value))
