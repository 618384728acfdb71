"""``wakeline reviews``: how far the experts are, and what one of them holds."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.projects import ProjectId

STATES = (
    *("scoring", "gathered", "pending", "withdrawn", "leased", "beside", "settled"),
    *("merged", "rejected", "measured", "cancelled"),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    reviews = group(app, "reviews", "Experts' verdicts on labels.")
    command(reviews, "status")(status)
    command(reviews, "release")(release)


def status(
    session: Session,
    project: ProjectId,
    stage: Annotated[str | None, typer.Argument(help="All stages if not given.")] = None,
) -> None:
    """Count the labels of each stage: waiting, with a reviewer, counting, sent back."""
    found = [
        {"stage": name, "counts": session.client.reviews.status(project, name)}
        for name in session.stages(project, stage)
    ]
    columns = {
        "stage": lambda one: one["stage"],
        **{state: _count(state) for state in STATES},
    }
    session.display.rows(found, columns, none="the project has no stage")


def release(
    session: Session,
    project: ProjectId,
    person: Annotated[str, typer.Argument(help="Whose leases are to end.")],
    stage: Annotated[str | None, typer.Option(help="In this stage only.")] = None,
) -> None:
    """End the leases of a reviewer who is away; what they hand in later is kept as a draft."""
    released = session.client.reviews.release(project, person, stage)
    session.display.say(f"{released} reviews wait for others again")


def _count(state: str) -> Callable[[dict[str, Any]], object]:
    return lambda one: one["counts"].get(state, 0)
