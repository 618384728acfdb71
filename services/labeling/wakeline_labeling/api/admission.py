"""What of projects those are told who only work in them: nothing of other teams' work.

Who works in no stage of a name gets one answer, whether or not there is one.
"""

from wakeline_auth import Permission, Principal, Role
from wakeline_labeling.domain.errors import NoSuchProjectError, NoSuchStageError, NotAMemberError
from wakeline_labeling.domain.queues import Labeler
from wakeline_labeling.domain.records import Stage
from wakeline_labeling.domain.teams import Colleague
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import finding, leasing


async def colleague(uow: LabelingUnitOfWork, caller: Principal) -> Colleague | None:
    """Whose work the caller is told of; None: everybody's."""
    if caller.may(Permission.READ_PROJECTS):
        return None
    return await finding.colleague(
        uow,
        caller.person_id,
        caller.team_id,
        labels=caller.may(Permission.LEASE_TASKS),
        reviews=Role.REVIEWER in caller.roles,
    )


async def admitted(
    uow: LabelingUnitOfWork, caller: Principal, project_id: str, stage: str
) -> tuple[Stage, Labeler]:
    """A stage in which the caller works, and what they are to it.

    Raises
    ------
    NoSuchStageError
        Who may read all projects is told more: NoSuchProjectError, NotAMemberError.
    """
    try:
        found = await finding.stage_of(uow, project_id, stage)
        return found, await leasing.labeler_of(
            uow,
            found,
            person_id=caller.person_id,
            team_id=caller.team_id,
            labels=caller.may(Permission.LEASE_TASKS),
            expert=Role.REVIEWER in caller.roles,
        )
    except (NoSuchProjectError, NoSuchStageError, NotAMemberError):
        if caller.may(Permission.READ_PROJECTS):
            raise
        raise NoSuchStageError(f"{project_id}/{stage}") from None


async def stage_for(
    uow: LabelingUnitOfWork, caller: Principal, project_id: str, stage: str
) -> Stage:
    """A stage of which the caller may be told.

    Raises
    ------
    NoSuchStageError
        Who may read all projects may be told of NoSuchProjectError.
    """
    if caller.may(Permission.READ_PROJECTS):
        return await finding.stage_of(uow, project_id, stage)
    return (await admitted(uow, caller, project_id, stage))[0]
