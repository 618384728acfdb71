"""Finds reviews, projects and policies, or says what is missing."""

from wakeline_events.base import LabelId, ProjectId
from wakeline_events.configuration import ProjectDocument, ReviewPolicy, StagePolicy
from wakeline_messaging import NotYetKnownError
from wakeline_review.domain.errors import NoSuchReviewError, NotOnTeamError, UnknownStageError
from wakeline_review.domain.records import Review
from wakeline_review.ports import ReviewUnitOfWork


async def review_of(uow: ReviewUnitOfWork, label_id: LabelId) -> Review:
    """The review of a label.

    Raises
    ------
    NoSuchReviewError
    """
    review = await uow.reviews.get(label_id)
    if review is None:
        raise NoSuchReviewError(f"there is no label {label_id} here")
    return review


async def project_of(uow: ReviewUnitOfWork, project_id: ProjectId) -> ProjectDocument:
    """A project as it was last configured.

    Raises
    ------
    UnknownStageError
    """
    document = await uow.projects.get(project_id)
    if document is None:
        raise UnknownStageError(f"there is no project {project_id}")
    return document


async def known_project(uow: ReviewUnitOfWork, project_id: ProjectId) -> ProjectDocument:
    """A project's configuration, for an event that is about the project.

    Raises
    ------
    NotYetKnownError
    """
    document = await uow.projects.get(project_id)
    if document is None:
        raise NotYetKnownError(f"project:{project_id}")
    return document


async def after_those_that_wait(uow: ReviewUnitOfWork, project_id: ProjectId) -> None:
    """Let an event that changes what earlier ones of its asset made wait behind them.

    Labels wait for their project's configuration; what is said of their asset afterwards could
    otherwise overtake them, also in the very batch that brings the configuration.

    Raises
    ------
    NotYetKnownError
    """
    await known_project(uow, project_id)
    if await uow.earlier_waits_for(f"project:{project_id}"):
        raise NotYetKnownError(f"project:{project_id}")


async def stage_of(uow: ReviewUnitOfWork, review: Review) -> StagePolicy:
    """The policy of the stage that a label was made in, also if the project has lost it since.

    Raises
    ------
    UnknownStageError
    """
    document = await project_of(uow, review.label.project_id)
    return stage_in(document, review.stage_name)


def stage_in(document: ProjectDocument, stage_name: str) -> StagePolicy:
    """The policy of a stage of a project.

    Raises
    ------
    UnknownStageError
    """
    try:
        return document.stage(stage_name)
    except KeyError:
        raise UnknownStageError(
            f"project {document.project} has no stage {stage_name}, and had none that is known here"
        ) from None


def policy_for(document: ProjectDocument, stage_name: str, team_id: str | None) -> ReviewPolicy:
    """A stage's review policy, for somebody of the team that reviews it.

    Raises
    ------
    UnknownStageError, NotOnTeamError
    """
    policy = stage_in(document, stage_name).review
    if policy.team is not None and team_id != policy.team:
        raise NotOnTeamError(f"stage {stage_name} is reviewed by the team {policy.team}")
    return policy
