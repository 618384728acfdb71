"""``wakeline reviews``: how far the experts are, and what one of them holds."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.projects import ProjectId
from wakeline_sdk.cli.showing import Columns, when

STATES = (
    *("scoring", "gathered", "pending", "withdrawn", "leased", "beside", "settled"),
    *("merged", "rejected", "measured", "cancelled"),
)

_ACTION: Columns = {
    "action": lambda one: one.action_id,
    "person": lambda one: one.person_id,
    "stage": lambda one: one.stage,
    "released": lambda one: one.released,
    "by": lambda one: one.by,
    "asked": lambda one: when(one.asked_at),
    "reason": lambda one: one.reason,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    reviews = group(app, "reviews", "Experts' verdicts on labels.")
    command(reviews, "status")(status)
    command(reviews, "release")(release)
    command(reviews, "actions")(list_actions)


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
    reason: Annotated[str, typer.Option(help="For who looks at it later.")] = "",
) -> None:
    """End the leases of a reviewer who is away; what they hand in later is kept as a draft."""
    released = session.client.reviews.release(project, person, stage, reason)
    session.display.say(f"{released} reviews wait for others again")


def list_actions(session: Session, project: ProjectId) -> None:
    """List whose leases managers ended, the newest first."""
    found = session.client.reviews.actions(project)
    session.display.rows(found, _ACTION, none="nobody's leases were ended")


def _count(state: str) -> Callable[[dict[str, Any]], object]:
    return lambda one: one["counts"].get(state, 0)
