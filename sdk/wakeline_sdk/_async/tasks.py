"""Tasks: found by managers, and steered many at once."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Literal

from wakeline_sdk._async.pause import pause
from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import Task, TaskAction
from wakeline_sdk.paths import path

Action = Literal["prioritise", "reserve", "release", "cancel", "reopen"]
LOOK_EVERY = 0.5
"""Seconds between two looks at an action that runs."""


class AsyncTasks:
    """The tasks of projects."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def search(
        self,
        project_id: str,
        *,
        stage: str | None = None,
        state: str | None = None,
        asset: str | None = None,
        person: str | None = None,
        team: str | None = None,
        held_by: str | None = None,
        class_name: str | None = None,
        agreement_below: float | None = None,
        priority_from: int | None = None,
        opened_before: datetime | None = None,
        opened_after: datetime | None = None,
    ) -> AsyncIterator[Task]:
        """Tasks for which everything holds that is said.

        Parameters
        ----------
        state
            ``open``, ``accepted``, ``closed`` or ``cancelled``.
        person, team, class_name
            Who made a label of it, and what that uses.
        held_by
            Who holds a lease of it now.
        """
        wanted: dict[str, Any] = {
            "stage": stage,
            "state": state,
            "asset": asset,
            "person": person,
            "team": team,
            "held_by": held_by,
            "class_name": class_name,
            "agreement_below": agreement_below,
            "priority_from": priority_from,
            "opened_before": opened_before.isoformat() if opened_before else None,
            "opened_after": opened_after.isoformat() if opened_after else None,
            "limit": 500,
        }
        where = path("/v1/projects/{}/tasks", project_id)
        async for item in self._transport.pages("labeling", where, wanted):
            yield item

    async def steer(
        self,
        project_id: str,
        action: Action,
        *,
        tasks: Iterable[str] | None = None,
        filter: dict[str, Any] | None = None,
        priority: int | None = None,
        person_id: str | None = None,
        minutes: float = 60,
        reason: str = "",
    ) -> TaskAction:
        """Do something with many tasks: those named (1,000 at most), or those a filter finds.

        Parameters
        ----------
        filter
            As ``search`` takes it; ``{}`` means all tasks of the project.
        priority
            0 to 100, with ``prioritise``.
        person_id, minutes
            Whom tasks are kept for and how long, with ``reserve``.
        """
        body: dict[str, Any] = {"action": action, "minutes": minutes, "reason": reason}
        optional = {"filter": filter, "priority": priority, "person_id": person_id}
        body |= {name: value for name, value in optional.items() if value is not None}
        if tasks is not None:
            body["tasks"] = list(tasks)
        where = path("/v1/projects/{}/tasks/actions", project_id)
        return TaskAction.model_validate(
            await self._transport.json("labeling", "POST", where, json=body)
        )

    async def action(self, project_id: str, action_id: str) -> TaskAction:
        """How far an action is."""
        where = path("/v1/projects/{}/tasks/actions/{}", project_id, action_id)
        return TaskAction.model_validate(await self._transport.json("labeling", "GET", where))

    async def until_done(self, project_id: str, action: TaskAction) -> TaskAction:
        """Wait until an action has looked at every task."""
        while action.state != "done":
            await pause(LOOK_EVERY)
            action = await self.action(project_id, action.action_id)
        return action

    async def actions(self, project_id: str) -> AsyncIterator[TaskAction]:
        """What was done with many tasks at once, the newest first."""
        where = path("/v1/projects/{}/tasks/actions", project_id)
        async for item in self._transport.pages("labeling", where):
            yield TaskAction.model_validate(item)
