"""Finds reviews, projects and policies, or says what is missing."""

from wakeline_events.base import LabelId, PersonId, ProjectId
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


async def policy_for(
    uow: ReviewUnitOfWork,
    project_id: ProjectId,
    stage_name: str,
    person_id: PersonId,
    team_id: str | None,
) -> ReviewPolicy:
    """A stage's review policy, for somebody who reviews it.

    Parameters
    ----------
    team_id : as the person's token says

    Raises
    ------
    UnknownStageError, NotOnTeamError
    """
    stage = stage_in(await project_of(uow, project_id), stage_name)
    if team_id is None or not stage.reviewed_by(team_id, internal=False):
        crew = await uow.teams.crew_of(person_id, team_id)
        if not stage.reviewed_by(crew.team_id, internal=crew.internal):
            whose = stage.review.team or f"{stage.team}, or by internal people"
            raise NotOnTeamError(f"stage {stage_name} is reviewed by the team {whose}")
    return stage.review


async def refuse_strangers(
    uow: ReviewUnitOfWork, review: Review, person_id: PersonId, team_id: str | None
) -> None:
    """Let nobody near a label but those who review its stage.

    Raises
    ------
    UnknownStageError, NotOnTeamError
    """
    await policy_for(uow, review.label.project_id, review.stage_name, person_id, team_id)
