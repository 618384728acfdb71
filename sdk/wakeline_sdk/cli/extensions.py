"""Commands that other packages bring: the entry points of the group ``wakeline.commands``.

Each names a function that takes the typer app and adds commands to it. One whose package lacks
what it needs is left out, and who asks for its commands is told what to install.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from wakeline_sdk.cli.failing import USAGE, fail

GROUP = "wakeline.commands"


class Commands(TyperGroup):
    """The root of the command line, which knows what could not be loaded."""

    missing: ClassVar[dict[str, str]] = {}
    """Name of an entry point -> why its commands are not here, and what to do."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; where it may be one that is missing, say so."""
        if self.missing and self.get_command(ctx, args[0]) is None:
            reasons = "; ".join(self.missing.values())
            fail(f"there is no command {args[0]!r} here. {reasons}", USAGE)
        return super().resolve_command(ctx, args)


def load(app: typer.Typer, entries: Iterable[EntryPoint] | None = None) -> None:
    """Add the commands of all installed packages."""
    Commands.missing.clear()
    found = entry_points(group=GROUP) if entries is None else entries
    for entry in sorted(found, key=lambda one: one.name):
        try:
            register = entry.load()
        except ImportError as error:
            Commands.missing[entry.name] = _reason(entry, error)
        else:
            register(app)
    if Commands.missing:
        app.info.epilog = "Left out: " + "; ".join(Commands.missing.values())


def _reason(entry: EntryPoint, error: ImportError) -> str:
    extras = ",".join(entry.extras) or "all"
    package = entry.dist.name if entry.dist is not None else "wakeline"
    lacking = error.name or str(error)
    return (
        f"The commands of {entry.name!r} need {lacking}, which is not installed: "
        f"`pip install '{package}[{extras}]'`"
    )
