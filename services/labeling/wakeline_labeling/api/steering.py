"""Routes of managers: find tasks, and steer many of them at once."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator

from wakeline_events.strict import Strict
from wakeline_http import (
    Cursor,
    Limit,
    Moment,
    Page,
    Router,
    decode_cursor,
    encode_cursor,
    problems,
)
from wakeline_labeling.api.dependencies import Held, LabelingCommand, LabelingReader, Manager
from wakeline_labeling.api.models import TaskOut
from wakeline_labeling.domain import names, steering
from wakeline_labeling.domain.errors import (
    InvalidActionError,
    NoSuchActionError,
    NoSuchPersonError,
    NoSuchProjectError,
)
from wakeline_labeling.domain.steering import Action, Kind, Steering, TaskFilter
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import steering as usecases
from wakeline_labeling.usecases.finding import project_of

router: APIRouter = Router(prefix="/v1/projects/{project_id}/tasks", tags=["tasks"])
State = Literal["open", "accepted", "closed", "cancelled"]


class FilterIn(Strict):
    """Which tasks are meant; everything that is said must hold."""

    stage: str | None = None
    state: State | None = None
    person: str | None = None
    team: str | None = None
    held_by: str | None = None
    class_name: str | None = None
    agreement_below: Annotated[float, Field(ge=0, le=1)] | None = None
    priority_from: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    opened_before: Moment | None = None
    opened_after: Moment | None = None

    def of(self, project_id: str) -> TaskFilter:
        """As the search takes it."""
        return TaskFilter(
            stage_id=names.stage_id(project_id, self.stage) if self.stage else None,
            person_id=self.person,
            team_id=self.team,
            **self.model_dump(exclude={"stage", "person", "team"}),
        )


class ActionIn(Strict):
    """What is to be done with which tasks: those named, or those that a filter finds."""

    action: Kind
    tasks: Annotated[list[str], Field(min_length=1, max_length=steering.AT_ONCE)] | None = None
    filter: FilterIn | None = None
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    person_id: str | None = None
    minutes: Annotated[float, Field(gt=0, le=43_200)] = 60
    reason: Annotated[str, Field(max_length=1_000)] = ""
    """For those who look at the action later; stays in this service."""

    @model_validator(mode="after")
    def _says_which(self) -> "ActionIn":
        if (self.tasks is None) == (self.filter is None):
            raise ValueError("say either `tasks` or `filter`; an empty filter means all tasks")
        return self


class ActionOut(BaseModel):
    """An action and how far it is."""

    action_id: str
    action: Kind
    state: Literal["running", "done"]
    changed: int
    unchanged: dict[str, int]
    """Why tasks stayed as they are -> how many."""
    filter: dict[str, Any] | None
    reason: str
    by: str
    asked_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, action: Action) -> "ActionOut":
        """As it is told."""
        wanted = action.filter.model_dump(mode="json", exclude_none=True) if action.filter else None
        return cls(
            action_id=action.id,
            action=action.steering.kind,
            filter=wanted,
            **action.model_dump(include=_ACTION),
        )


_ACTION = {"state", "changed", "unchanged", "reason", "by", "asked_at", "ended_at"}


@router.get("", responses=problems(NoSuchProjectError))
async def list_tasks(
    project_id: str,
    manager: Manager,
    uow: LabelingReader,
    stage: str | None = None,
    state: State | None = None,
    asset: str | None = None,
    person: Annotated[str | None, Query(description="Who made a label of it.")] = None,
    team: Annotated[str | None, Query(description="Whose people did.")] = None,
    held_by: Annotated[str | None, Query(description="Who holds a lease of it.")] = None,
    class_name: Annotated[str | None, Query(description="That a label of it uses.")] = None,
    agreement_below: Annotated[float | None, Query(ge=0, le=1)] = None,
    priority_from: Annotated[int, Field(ge=0, lt=2**31)] | None = None,
    opened_before: Moment | None = None,
    opened_after: Moment | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[TaskOut]:
    """Find tasks. Not for labelers: it says which ones are benchmarks."""
    project = await project_of(uow, project_id)
    after = decode_cursor(cursor, str)[0] if cursor else ""
    wanted = FilterIn(
        stage=stage,
        state=state,
        person=person,
        team=team,
        held_by=held_by,
        class_name=class_name,
        agreement_below=agreement_below,
        priority_from=priority_from,
        opened_before=opened_before,
        opened_after=opened_after,
    ).of(project_id)
    wanted = wanted.model_copy(update={"asset_id": asset})
    found, following = await usecases.search(uow, project, wanted, after, limit)
    return Page(
        items=[TaskOut.of(task) for task in found],
        next=encode_cursor(following) if following is not None else None,
    )


@router.post(
    "/actions",
    status_code=202,
    responses=problems(NoSuchProjectError, NoSuchPersonError, InvalidActionError),
)
async def steer_tasks(
    project_id: str, body: ActionIn, manager: Manager, command: LabelingCommand, held: Held
) -> ActionOut:
    """Prioritise, reserve, release, cancel or reopen tasks: named ones at once, else in a job."""

    async def ask(uow: LabelingUnitOfWork) -> ActionOut:
        await project_of(uow, project_id)
        action = Action(
            id=f"{uow.now:%Y%m%d%H%M%S}-{held.desk.new_id()[:12]}",
            project_id=project_id,
            steering=Steering(
                kind=body.action,
                priority=body.priority,
                person_id=body.person_id,
                minutes=body.minutes,
            ),
            filter=body.filter.of(project_id) if body.filter else None,
            reason=body.reason,
            by=manager.person_id,
            asked_at=uow.now,
        )
        return ActionOut.of(await usecases.ask(uow, action, body.tasks))

    return await command.run(ask, ActionOut)


@router.get("/actions", responses=problems(NoSuchProjectError))
async def list_actions(
    project_id: str,
    manager: Manager,
    uow: LabelingReader,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ActionOut]:
    """What was done with many tasks at once, the newest first."""
    await project_of(uow, project_id)
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = await uow.actions.page(project_id, before, limit)
    following = encode_cursor(found[-1].id) if len(found) == limit else None
    return Page(items=[ActionOut.of(action) for action in found], next=following)


@router.get("/actions/{action_id}", responses=problems(NoSuchActionError))
async def read_action(
    project_id: str, action_id: str, manager: Manager, uow: LabelingReader
) -> ActionOut:
    """An action and how far it is."""
    return ActionOut.of(await usecases.action_of(uow, project_id, action_id))
