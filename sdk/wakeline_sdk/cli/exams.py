"""``wakeline exams``: who may work at a stage."""

from typing import Annotated

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.projects import ProjectId
from wakeline_sdk.cli.showing import Columns
from wakeline_sdk.models import Exam

Stage = Annotated[str, typer.Argument(help="The stage that asks for the exam.")]

_EXAM: Columns = {
    "person": lambda one: one.person_id,
    "state": lambda one: one.state,
    "attempts": lambda one: len(one.attempts),
    "tasks": lambda one: one.attempts[-1].tasks,
    "score": lambda one: one.attempts[-1].mean_score,
    "being graded": lambda one: one.being_graded,
    "since": lambda one: one.mean_since,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    exams = group(app, "exams", "What people must show before a queue opens to them.")
    command(exams, "mine")(show_own)
    command(exams, "list")(list_exams)
    command(exams, "give-attempts")(give_attempts)


def show_own(session: Session, project: ProjectId, stage: Stage) -> None:
    """Show your own exam at a stage."""
    _show(session, session.client.exams.mine(project, stage))


def list_exams(session: Session, project: ProjectId, stage: Stage) -> None:
    """List the exams that were taken at a stage, by person."""
    found = session.client.exams.list(project, stage)
    session.display.rows(found, _EXAM, none="nobody has taken an exam here")


def give_attempts(
    session: Session,
    project: ProjectId,
    stage: Stage,
    person: Annotated[str, typer.Argument(help="As `people list` names them.")],
) -> None:
    """Let somebody who failed, or was suspended, take the exam again."""
    _show(session, session.client.exams.give_new_attempts(project, stage, person))


def _show(session: Session, exam: Exam) -> None:
    session.display.one(exam, {name: value(exam) for name, value in _EXAM.items()})
