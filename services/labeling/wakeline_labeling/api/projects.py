"""Routes of projects: their documents, versions, tasks and how far they are."""

from fastapi import APIRouter

from wakeline_events.configuration import ProjectDocument
from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_labeling.api.dependencies import LabelingCommand, LabelingReader, Manager, Reader
from wakeline_labeling.api.models import AppliedOut, ProjectOut, StageStatus, VersionOut
from wakeline_labeling.domain.errors import (
    InvalidProjectError,
    NoSuchProjectError,
    NoSuchStageError,
    OrphansLabelsError,
)
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import configuring, watching
from wakeline_labeling.usecases.finding import stage_of

router: APIRouter = Router(prefix="/v1/projects", tags=["projects"])


@router.get("")
async def list_projects(
    reader: Reader, uow: LabelingReader, cursor: Cursor = None, limit: Limit = 100
) -> Page[ProjectOut]:
    """A page of projects."""
    after = decode_cursor(cursor, str)[0] if cursor else ""
    found = await uow.projects.page(after, limit)
    following = encode_cursor(found[-1].id) if len(found) == limit else None
    return Page(items=[ProjectOut.of(project) for project in found], next=following)


@router.get("/{project_id}", responses=problems(NoSuchProjectError))
async def read_project(project_id: str, reader: Reader, uow: LabelingReader) -> ProjectOut:
    """A project as it stands."""
    project = await uow.projects.get(project_id)
    if project is None:
        raise NoSuchProjectError(project_id)
    return ProjectOut.of(project)


@router.put("/{project_id}", responses=problems(InvalidProjectError, OrphansLabelsError))
async def apply_project(
    project_id: str,
    document: ProjectDocument,
    manager: Manager,
    command: LabelingCommand,
    dry_run: bool = False,
    force: bool = False,
) -> AppliedOut:
    """Create a project or change it; with ``dry_run`` only say what that would change."""

    async def apply(uow: LabelingUnitOfWork) -> AppliedOut:
        return AppliedOut.of(
            await configuring.apply_project(
                uow, project_id, document, by=manager.person_id, force=force, dry_run=dry_run
            )
        )

    return await command.run(apply, AppliedOut)


@router.get("/{project_id}/versions", responses=problems(NoSuchProjectError))
async def list_versions(project_id: str, reader: Reader, uow: LabelingReader) -> Page[VersionOut]:
    """Every version of a project, newest first."""
    rows = await uow.projects.versions(project_id)
    if not rows:
        raise NoSuchProjectError(project_id)
    return Page(items=[VersionOut.model_validate(row) for row in rows])


@router.get(
    "/{project_id}/stages/{stage}/status", responses=problems(NoSuchProjectError, NoSuchStageError)
)
async def read_status(
    project_id: str, stage: str, reader: Reader, uow: LabelingReader
) -> StageStatus:
    """How far a stage is."""
    found = await stage_of(uow, project_id, stage)
    return StageStatus.of(found.id, await watching.status_of(uow, found))
