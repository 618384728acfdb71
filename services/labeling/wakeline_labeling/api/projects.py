"""Routes of projects: their documents, versions, tasks and how far they are."""

from fastapi import APIRouter

from wakeline_auth import Permission
from wakeline_events.configuration import ProjectDocument
from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_labeling.api.admission import colleague, stage_for
from wakeline_labeling.api.dependencies import (
    LabelingCommand,
    LabelingReader,
    Manager,
    Onlooker,
    Reader,
)
from wakeline_labeling.api.models import (
    AppliedOut,
    ProjectOut,
    StageProgress,
    StageStatus,
    VersionOut,
)
from wakeline_labeling.domain.errors import (
    InvalidProjectError,
    NoSuchProjectError,
    NoSuchStageError,
    OrphansLabelsError,
)
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import configuring, watching

router: APIRouter = Router(prefix="/v1/projects", tags=["projects"])


@router.get("")
async def list_projects(
    caller: Onlooker, uow: LabelingReader, cursor: Cursor = None, limit: Limit = 100
) -> Page[ProjectOut]:
    """A page of projects; labelers and reviewers get those they work in, and what that needs."""
    after = decode_cursor(cursor, str)[0] if cursor else ""
    whose = await colleague(uow, caller)
    found = await uow.projects.page(after, limit, whose)
    following = encode_cursor(found[-1].id) if len(found) == limit else None
    told = [ProjectOut.to(project, whose) for project in found]
    return Page(items=[project for project in told if project], next=following)


@router.get("/{project_id}", responses=problems(NoSuchProjectError))
async def read_project(project_id: str, caller: Onlooker, uow: LabelingReader) -> ProjectOut:
    """A project as it stands; labelers and reviewers get what their work in it needs."""
    project = await uow.projects.get(project_id)
    told = ProjectOut.to(project, await colleague(uow, caller)) if project else None
    if told is None:
        raise NoSuchProjectError(project_id)
    return told


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
    project_id: str, stage: str, caller: Onlooker, uow: LabelingReader
) -> StageStatus | StageProgress:
    """How far a stage is; those who work in it are told how much is done."""
    found = await stage_for(uow, caller, project_id, stage)
    told = StageStatus if caller.may(Permission.READ_PROJECTS) else StageProgress
    return told.of(found.id, await watching.status_of(uow, found))
