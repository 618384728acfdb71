"""Finds projects and stages, or says what is missing."""

from wakeline_labeling.domain.errors import NoSuchProjectError, NoSuchStageError
from wakeline_labeling.domain.records import Project, Stage
from wakeline_labeling.domain.teams import Colleague
from wakeline_labeling.ports import UnitOfWork


async def project_of(uow: UnitOfWork, project_id: str) -> Project:
    """The project, as it stood a second ago at most.

    Raises
    ------
    NoSuchProjectError
    """
    project = await uow.projects.cached(project_id)
    if project is None:
        raise NoSuchProjectError(project_id)
    return project


async def stage_of(uow: UnitOfWork, project_id: str, name: str) -> Stage:
    """A stage of a project by name.

    Raises
    ------
    NoSuchProjectError, NoSuchStageError
    """
    project = await project_of(uow, project_id)
    stage = project.stage(name)
    if stage is None:
        raise NoSuchStageError(name, [policy.name for policy in project.document.stages])
    return stage


async def team_of(uow: UnitOfWork, person_id: str, team_id: str | None) -> str | None:
    """The team that somebody is in.

    Parameters
    ----------
    team_id : as the person's token says; if it says nothing, the service's own records do
    """
    if team_id is None:
        person = await uow.teams.person(person_id)
        team_id = person.team_id if person else None
    return team_id


async def is_internal(uow: UnitOfWork, team_id: str | None) -> bool:
    """Whether a team is known to be no vendor's; nobody's vendor has people without a team."""
    team = await uow.teams.get(team_id) if team_id is not None else None
    return team_id is None or (team is not None and team.kind == "internal")


async def colleague(
    uow: UnitOfWork, person_id: str, team_id: str | None, *, labels: bool, reviews: bool
) -> Colleague:
    """Somebody who works for a team, as stages see them.

    Parameters
    ----------
    team_id : as the person's token says; if it says nothing, the service's own records do
    """
    team_id = await team_of(uow, person_id, team_id)
    return Colleague(team_id, await is_internal(uow, team_id), labels, reviews)


async def stage_by_id(uow: UnitOfWork, stage_id: str) -> Stage | None:
    """A stage by its id; None if its project has it no more."""
    project_id, _, name = stage_id.partition("/")
    project = await uow.projects.cached(project_id)
    return project.stage(name) if project else None
