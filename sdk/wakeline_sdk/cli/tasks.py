"""``wakeline tasks``: find tasks, and steer many of them at once."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.projects import ProjectId
from wakeline_sdk.cli.showing import Columns, short, when
from wakeline_sdk.models import TaskAction

Action = Literal["prioritise", "reserve", "release", "cancel", "reopen"]

Stage = Annotated[str | None, typer.Option(help="Of this stage only.")]
State = Annotated[str | None, typer.Option(help="open, accepted, closed or cancelled.")]
Person = Annotated[str | None, typer.Option(help="Who made a label of it.")]
Team = Annotated[str | None, typer.Option(help="Whose people made a label of it.")]
HeldBy = Annotated[str | None, typer.Option(help="Who holds a lease of it now.")]
ClassName = Annotated[str | None, typer.Option("--class", help="That a label of it uses.")]
Below = Annotated[float | None, typer.Option("--agreement-below", help="Of its people, 0 to 1.")]
Before = Annotated[datetime | None, typer.Option(help="Opened before then.")]
After = Annotated[datetime | None, typer.Option(help="Opened after then.")]

_TASK: Columns = {
    "task": lambda one: one["task_id"],
    "stage": lambda one: one["stage_id"],
    "asset": lambda one: short(one["asset_id"]),
    "state": lambda one: one["state"],
    "priority": lambda one: one["priority"],
    "arm": lambda one: one["arm"],
    "agreement": lambda one: one.get("agreement"),
}
_ACTION: Columns = {
    "action": lambda one: one.action_id,
    "what": lambda one: one.action,
    "state": lambda one: one.state,
    "changed": lambda one: one.changed,
    "unchanged": lambda one: one.unchanged,
    "by": lambda one: one.by,
    "asked": lambda one: when(one.asked_at),
    "reason": lambda one: one.reason,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    tasks = group(app, "tasks", "Find tasks, and steer many of them at once.")
    command(tasks, "list")(list_tasks)
    command(tasks, "steer")(steer)
    command(tasks, "actions")(list_actions)


def list_tasks(
    session: Session,
    project: ProjectId,
    stage: Stage = None,
    state: State = None,
    asset: Annotated[str | None, typer.Option(help="Of this asset only.")] = None,
    person: Person = None,
    team: Team = None,
    held_by: HeldBy = None,
    class_name: ClassName = None,
    agreement_below: Below = None,
    before: Before = None,
    after: After = None,
) -> None:
    """List the tasks for which everything holds that is said."""
    found = session.client.tasks.search(
        project,
        stage=stage,
        state=state,
        asset=asset,
        person=person,
        team=team,
        held_by=held_by,
        class_name=class_name,
        agreement_below=agreement_below,
        opened_before=_moment(before),
        opened_after=_moment(after),
    )
    session.display.rows(found, _TASK, none="there is no such task")


def steer(
    session: Session,
    project: ProjectId,
    action: Annotated[str, typer.Argument(help="prioritise, reserve, release, cancel or reopen.")],
    task: Annotated[list[str] | None, typer.Option(help="This one; repeatable.")] = None,
    stage: Stage = None,
    state: State = None,
    person: Person = None,
    team: Team = None,
    held_by: HeldBy = None,
    class_name: ClassName = None,
    agreement_below: Below = None,
    before: Before = None,
    after: After = None,
    all_tasks: Annotated[bool, typer.Option("--all", help="Of the whole project.")] = False,
    priority: Annotated[int | None, typer.Option(help="0 to 100, to prioritise.")] = None,
    keep_for: Annotated[str | None, typer.Option(help="A person, to reserve.")] = None,
    minutes: Annotated[float, typer.Option(help="So long tasks are reserved.")] = 60,
    reason: Annotated[str, typer.Option(help="For who looks at it later.")] = "",
) -> None:
    """Do something with many tasks: those named with --task, or those that the options find."""
    if action not in ("prioritise", "reserve", "release", "cancel", "reopen"):
        raise typer.BadParameter("say prioritise, reserve, release, cancel or reopen")
    said: dict[str, Any] = {
        "stage": stage,
        "state": state,
        "person": person,
        "team": team,
        "held_by": held_by,
        "class_name": class_name,
        "agreement_below": agreement_below,
        "opened_before": _text(before),
        "opened_after": _text(after),
    }
    wanted = {name: value for name, value in said.items() if value is not None}
    if sum((bool(task), bool(wanted), all_tasks)) != 1:
        raise typer.BadParameter("say which tasks: --task, or what they are found by, or --all")
    started = session.client.tasks.steer(
        project,
        cast(Action, action),
        tasks=task or None,
        filter=None if task else wanted,
        priority=priority,
        person_id=keep_for,
        minutes=minutes,
        reason=reason,
    )
    _show(session, session.client.tasks.until_done(project, started))


def list_actions(session: Session, project: ProjectId) -> None:
    """List what was done with many tasks at once, the newest first."""
    session.display.rows(session.client.tasks.actions(project), _ACTION, none="nothing was steered")


def _show(session: Session, action: TaskAction) -> None:
    session.display.one(action, {name: value(action) for name, value in _ACTION.items()})


def _moment(given: datetime | None) -> datetime | None:
    """A moment as it was typed, in local time."""
    return given.astimezone() if given else None


def _text(given: datetime | None) -> str | None:
    return given.astimezone().isoformat() if given else None
