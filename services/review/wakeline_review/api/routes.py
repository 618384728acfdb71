"""The routes of review."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from wakeline_auth import Permission
from wakeline_blobs import keep_shapes, load_shapes
from wakeline_events.base import Asset
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.agreement import agreement
from wakeline_geometry.shapes import Annotation
from wakeline_http import (
    Cursor,
    IdempotencyKey,
    Limit,
    Page,
    Router,
    decode_cursor,
    encode_cursor,
    problems,
)
from wakeline_review.api.dependencies import (
    Anyone,
    Manager,
    ReviewCommand,
    Reviewer,
    ReviewReader,
    ReviewResources,
    Statistician,
    unseen,
)
from wakeline_review.api.models import (
    ActionOut,
    CorrectionIn,
    HeartbeatOut,
    LabelBeside,
    LeaseIn,
    Nothing,
    ReleasedOut,
    ReleaseIn,
    ReviewLeaseOut,
    ReviewLeasesOut,
    ReviewOut,
    StatusOut,
    VerdictIn,
    VerdictOut,
)
from wakeline_review.domain import errors
from wakeline_review.domain.records import Review
from wakeline_review.store.unit_of_work import MongoReviewUnitOfWork
from wakeline_review.usecases import judging, leasing, withdrawing
from wakeline_review.usecases.finding import project_of, refuse_strangers, review_of

leases = Router(prefix="/v1/reviews/leases", tags=["review leases"])
reviews = Router(prefix="/v1/reviews", tags=["reviews"])
verdicts = Router(prefix="/v1/verdicts", tags=["verdicts"])
routers = (leases, reviews, verdicts)
DEAD = (errors.NoSuchLeaseError, errors.ReviewLeaseExpiredError)
_VERDICTS: Mapping[str, Literal["accepted", "corrected", "rejected"]] = {
    "accept": "accepted",
    "correct": "corrected",
    "reject": "rejected",
}


@leases.post(
    "",
    status_code=201,
    responses=problems(
        errors.NoReviewAvailableError, errors.UnknownStageError, errors.NotOnTeamError
    ),
)
async def lease_reviews(
    wanted: LeaseIn,
    reviewer: Reviewer,
    reader: ReviewReader,
    resources: ReviewResources,
    command: ReviewCommand,
    key: IdempotencyKey = None,
) -> ReviewLeasesOut:
    """Lease the next labels of a stage to the calling reviewer; a repeated key gets the same."""

    async def keep_withdrawn(asset_id: str) -> None:
        async def keep(uow: MongoReviewUnitOfWork) -> Nothing:
            await withdrawing.keep_withdrawn(uow, asset_id)
            return Nothing()

        await command.without_key().run(keep, Nothing)

    nothing = errors.UnknownStageError(
        f"your team reviews nothing at a stage {wanted.project}/{wanted.stage}"
    )
    with unseen(reviewer, nothing):
        taken = await leasing.lease_next(
            reader,
            keep_withdrawn,
            wanted.project,
            wanted.stage,
            reviewer.person_id,
            reviewer.team_id,
            wanted.count,
            key,
        )
    return ReviewLeasesOut(
        leases=[await _told(review, reader, resources, reviewer.person_id) for review in taken]
    )


@leases.get("")
async def list_leases(
    reviewer: Reviewer, reader: ReviewReader, resources: ReviewResources
) -> ReviewLeasesOut:
    """The caller's living leases, whatever client they were made with."""
    held = await reader.reviews.held(reviewer.person_id)
    return ReviewLeasesOut(
        leases=[await _told(review, reader, resources, reviewer.person_id) for review in held]
    )


@leases.post("/release", responses=problems(errors.UnknownStageError))
async def release_leases(
    wanted: ReleaseIn, manager: Manager, command: ReviewCommand
) -> ReleasedOut:
    """End a person's leases in a project; what they hand in afterwards is kept as a draft."""

    async def release(uow: MongoReviewUnitOfWork) -> ReleasedOut:
        released = await leasing.release(
            uow,
            wanted.project,
            wanted.stage,
            wanted.person_id,
            by=manager.person_id,
            reason=wanted.reason,
        )
        return ReleasedOut(released=released)

    return await command.run(release, ReleasedOut)


@leases.get("/{lease_id}/image", responses=problems(*DEAD))
async def read_image(
    lease_id: str, reviewer: Reviewer, reader: ReviewReader, resources: ReviewResources
) -> StreamingResponse:
    """The image of a live lease."""
    asset = (await leasing.live(reader, lease_id, reviewer.person_id)).label.asset
    return await _stream(resources, asset.image)


@leases.get("/{lease_id}/bands/{name}", responses=problems(*DEAD))
async def read_band(
    lease_id: str, name: str, reviewer: Reviewer, reader: ReviewReader, resources: ReviewResources
) -> StreamingResponse:
    """An extra band of the image of a live lease."""
    asset: Asset = (await leasing.live(reader, lease_id, reviewer.person_id)).label.asset
    if name not in asset.bands:
        raise errors.NoSuchReviewError(f"this image has no band {name}")
    return await _stream(resources, asset.bands[name])


@leases.post("/{lease_id}/heartbeat", responses=problems(*DEAD))
async def heartbeat(lease_id: str, reviewer: Reviewer, command: ReviewCommand) -> HeartbeatOut:
    """Keep a lease alive for as long as the stage's policy gives."""

    async def beat(uow: MongoReviewUnitOfWork) -> HeartbeatOut:
        review = await leasing.heartbeat(uow, lease_id, reviewer.person_id)
        assert review.lease is not None
        return HeartbeatOut(expires_at=review.lease.expires_at)

    return await command.run(beat, HeartbeatOut)


@leases.post("/{lease_id}/return", status_code=204, responses=problems(*DEAD))
async def return_review(lease_id: str, reviewer: Reviewer, command: ReviewCommand) -> Response:
    """Give a review back unjudged; anybody may go on with it, the caller too."""

    async def give_back(uow: MongoReviewUnitOfWork) -> Nothing:
        await leasing.give_back(uow, lease_id, reviewer.person_id)
        return Nothing()

    await command.run(give_back, Nothing)
    return Response(status_code=204)


@leases.post("/{lease_id}/skip", status_code=204, responses=problems(*DEAD))
async def skip_review(lease_id: str, reviewer: Reviewer, command: ReviewCommand) -> Response:
    """Give a review back for somebody else; the caller is not given it for a day."""

    async def skip(uow: MongoReviewUnitOfWork) -> Nothing:
        await leasing.skip(uow, lease_id, reviewer.person_id)
        return Nothing()

    await command.run(skip, Nothing)
    return Response(status_code=204)


@leases.post(
    "/{lease_id}/verdict",
    responses=problems(
        *DEAD,
        errors.AlreadyJudgedError,
        errors.NotOnTeamError,
        errors.LastRoundError,
        errors.InvalidAnnotationsError,
        errors.InvalidVerdictError,
    ),
)
async def give_verdict(
    lease_id: str,
    given: VerdictIn,
    reviewer: Reviewer,
    command: ReviewCommand,
    reader: ReviewReader,
    resources: ReviewResources,
) -> VerdictOut:
    """Accept, correct or reject a leased label, or those of a task; late work becomes a draft."""
    judging.refuse_contradiction(given.verdict, given.annotations)
    judgement = judging.Judgement(
        verdict=_VERDICTS[given.verdict],
        labels=tuple(given.labels),
        comment=given.comment,
        seconds=given.seconds,
        digest=judging.digest_of(given.verdict, given.labels, given.annotations),
    )
    review = await reader.reviews.live(lease_id, reviewer.person_id)
    if review is not None:
        with unseen(reviewer, errors.NotOnTeamError("your team does not review this stage now")):
            await refuse_strangers(reader, review, reviewer.person_id, reviewer.team_id)
    if review is not None and given.verdict != "reject":
        judgement = await _measured(judgement, review, given.annotations, reader, resources)

    async def judge(uow: MongoReviewUnitOfWork) -> VerdictOut:
        return VerdictOut.of(
            await judging.judge(uow, lease_id, given.fence, reviewer.person_id, judgement)
        )

    try:
        return await command.run(judge, VerdictOut)
    except errors.ReviewLeaseExpiredError as error:
        await _keep_draft(lease_id, given, reviewer.person_id, command)
        raise errors.ReviewLeaseExpiredError(f"{error}; your work is kept as a draft") from error


@reviews.get("/status")
async def read_status(project: str, stage: str, reader: ReviewReader, _: Statistician) -> StatusOut:
    """How many labels of a stage wait, are leased, settled, rejected..."""
    return StatusOut(counts=await reader.reviews.counts(f"{project}/{stage}"))


@reviews.get("")
async def list_reviews(
    project: str,
    reader: ReviewReader,
    _: Statistician,
    stage: str | None = None,
    cursor: str | None = None,
    limit: Limit = 100,
) -> Page[ReviewOut]:
    """A page of reviews with verdicts, times and scores."""
    found = await reader.reviews.page(project, stage, cursor, limit)
    following = found[-1].id if len(found) == limit else None
    return Page(items=[ReviewOut.of(review) for review in found], next=following)


@reviews.get("/actions")
async def list_actions(
    project: str, reader: ReviewReader, _: Manager, cursor: Cursor = None, limit: Limit = 100
) -> Page[ActionOut]:
    """Whose leases managers ended in a project, the newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = await reader.actions.page(project, before, limit)
    following = encode_cursor(found[-1].id) if len(found) == limit else None
    return Page(items=[ActionOut.of(action) for action in found], next=following)


@reviews.post(
    "/{label_id}/corrections",
    responses=problems(
        errors.NoSuchReviewError,
        errors.NotOnTeamError,
        errors.OwnLabelError,
        errors.NotAcceptedError,
        errors.InvalidAnnotationsError,
    ),
)
async def correct_later(
    label_id: str,
    correction: CorrectionIn,
    reviewer: Reviewer,
    command: ReviewCommand,
    reader: ReviewReader,
    resources: ReviewResources,
) -> VerdictOut:
    """Correct a label that counts already."""
    nothing = errors.NoSuchReviewError(f"there is no label {label_id} here")
    with unseen(reviewer, nothing):
        review = await review_of(reader, label_id)
        await refuse_strangers(reader, review, reviewer.person_id, reviewer.team_id)
    kept = await _checked(review, correction.annotations, reader, resources)

    async def correct(uow: MongoReviewUnitOfWork) -> VerdictOut:
        done = await judging.supersede(uow, label_id, reviewer.person_id, reviewer.team_id, kept)
        return VerdictOut.of(done)

    with unseen(reviewer, nothing):
        return await command.run(correct, VerdictOut)


@verdicts.get("", responses=problems(errors.NoSuchReviewError))
async def read_verdict(
    label_id: Annotated[str, Query()], caller: Anyone, reader: ReviewReader
) -> VerdictOut:
    """What became of a label: for its labeler, its stage's reviewers, and who may read labels."""
    nothing = errors.NoSuchReviewError(f"there is no label {label_id} of yours here")
    review = await reader.reviews.get(label_id)
    if review is None:
        raise nothing
    if not caller.may(Permission.READ_LABELS) and review.label.person_id != caller.person_id:
        if not caller.may(Permission.LEASE_REVIEWS):
            raise nothing
        with unseen(caller, nothing):
            await refuse_strangers(reader, review, caller.person_id, caller.team_id)
    return VerdictOut.of(review)


async def _told(
    review: Review, reader: MongoReviewUnitOfWork, resources: ReviewResources, person_id: str
) -> ReviewLeaseOut:
    """A lease with all that its holder needs."""
    members = await judging.members_of(reader, review)
    shapes = [await load_shapes(resources.blobs, m.final, Annotation) for m in members]
    beside = [
        LabelBeside(
            label_id=member.id,
            round=member.label.round,
            annotations=list(annotations),
            agreement=member.people_agreement,
        )
        for member, annotations in zip(members, shapes, strict=True)
    ]
    proposed = review.proposed or review.final
    return ReviewLeaseOut.of(
        review,
        await load_shapes(resources.blobs, proposed, Annotation),
        beside,
        await reader.drafts.get(review.id, person_id),
    )


async def _measured(
    judgement: judging.Judgement,
    review: Review,
    corrected: list[Annotation] | None,
    reader: MongoReviewUnitOfWork,
    resources: ReviewResources,
) -> judging.Judgement:
    """A verdict with what it lets count, and how alike each label is to that."""
    members = await judging.members_of(reader, review)
    shapes = {m.id: await load_shapes(resources.blobs, m.final, Annotation) for m in members}
    kept = None
    if corrected is not None:
        kept = await _checked(review, corrected, reader, resources)
        final = tuple(corrected)
    else:
        picked = next((label for label in judgement.labels if label in shapes), None)
        proposed = await load_shapes(resources.blobs, review.proposed or review.final, Annotation)
        final = shapes[picked] if picked is not None else proposed
    size = (review.label.asset.height, review.label.asset.width)

    def compare() -> dict[str, float]:
        return {label: agreement(made, final, size) for label, made in shapes.items()}

    agreements = await asyncio.to_thread(compare)
    return judgement._replace(annotations=kept, agreements=agreements)


async def _checked(
    review: Review,
    annotations: list[Annotation],
    reader: MongoReviewUnitOfWork,
    resources: ReviewResources,
) -> AnnotationSet:
    """Corrected annotations, checked and kept."""
    document = await project_of(reader, review.label.project_id)
    judging.check_annotations(review, document, annotations)
    return await keep_shapes(resources.blobs, "labels", annotations)


async def _keep_draft(
    lease_id: str,
    given: VerdictIn,
    person_id: str,
    command: ReviewCommand,
) -> None:
    """Late work is refused by its fence, never thrown away."""
    label_id = lease_id.rpartition(".")[0]

    async def keep(uow: MongoReviewUnitOfWork) -> Nothing:
        uow.drafts.put(label_id, person_id, judging.draft_of(given.verdict, given.annotations))
        return Nothing()

    await command.without_key().run(keep, Nothing)


async def _stream(resources: ReviewResources, key: str) -> StreamingResponse:
    chunks = resources.blobs.stream("assets", key)
    first = await anext(chunks, b"")  # a missing object is an error now, not half a response

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(
        all_of_it(),
        media_type="application/octet-stream",
        headers={
            "Cache-Control": "private, no-store"
        },  # seen through a living lease, or not at all
    )
