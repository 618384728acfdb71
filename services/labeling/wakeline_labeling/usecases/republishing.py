"""What this service can say again of its state: projects, teams and benchmarks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from wakeline_events.base import Event
from wakeline_events.labeling import BenchmarkSet, ProjectConfigured, TeamConfigured
from wakeline_labeling.domain import names
from wakeline_labeling.ports import UnitOfWork
from wakeline_labeling.usecases.staffing import configured


async def projects(
    uow: UnitOfWork, key: str | None, after: str, limit: int
) -> list[tuple[str, ProjectConfigured]]:
    """A page of projects as they are configured now."""
    if key is not None:
        one = await uow.projects.get(key.removeprefix("project:"))
        found = [one] if one is not None and one.id > after else []
    else:
        found = await uow.projects.page(after, limit)
    return [
        (
            project.id,
            ProjectConfigured(
                project_id=project.id, version=project.version, document=project.document
            ),
        )
        for project in found
    ]


async def teams(
    uow: UnitOfWork, key: str | None, after: str, limit: int
) -> list[tuple[str, TeamConfigured]]:
    """A page of teams with their members."""
    wanted = None if key is None else key.removeprefix("team:")
    found = [
        team for team in await uow.teams.all() if team.id > after and wanted in (None, team.id)
    ]
    return [(team.id, configured(team, await uow.teams.members(team.id))) for team in found[:limit]]


async def benchmarks(
    uow: UnitOfWork, key: str | None, after: str, limit: int
) -> list[tuple[str, BenchmarkSet]]:
    """A page of trusted labels."""
    found = await uow.benchmarks.page(key, after, limit)
    known = await uow.assets.get({one.asset_id for one in found})
    tasks = await uow.tasks.many([names.task_id(one.stage_id, one.asset_id) for one in found])
    return [
        (
            one.id,
            BenchmarkSet(
                asset_id=one.asset_id,
                project_id=one.stage_id.partition("/")[0],
                stage_id=one.stage_id,
                asset=known[one.asset_id],
                truth=one.truth,
                focus_regions=tasks[names.task_id(one.stage_id, one.asset_id)].focus_regions,
            ),
        )
        for one in found
    ]


STATES: Mapping[
    str,
    Callable[[UnitOfWork, str | None, str, int], Awaitable[Sequence[tuple[str, Event]]]],
] = {
    ProjectConfigured.TYPE: projects,
    TeamConfigured.TYPE: teams,
    BenchmarkSet.TYPE: benchmarks,
}
