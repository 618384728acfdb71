"""Finds projects and stages, or says what is missing."""

from wakeline_labeling.domain.errors import NoSuchProjectError, NoSuchStageError
from wakeline_labeling.domain.records import Project, Stage
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


async def stage_by_id(uow: UnitOfWork, stage_id: str) -> Stage | None:
    """A stage by its id; None if its project has it no more."""
    project_id, _, name = stage_id.partition("/")
    project = await uow.projects.cached(project_id)
    return project.stage(name) if project else None
