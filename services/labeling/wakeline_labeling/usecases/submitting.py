"""Turns a lease into a label: checked and measured before the transaction, decided inside of it."""

import asyncio
from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import NamedTuple

from pydantic import BaseModel

from wakeline_events.labeling import Effort, LabelCompleted, TaskClosed
from wakeline_events.ontology import problems_in
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry import effort
from wakeline_geometry.shapes import Annotation
from wakeline_labeling.domain import names, ontology, opening, submission
from wakeline_labeling.domain.errors import (
    AlreadySubmittedError,
    FenceOutdatedError,
    InvalidAnnotationsError,
    LeaseExpiredError,
    NoSuchLeaseError,
)
from wakeline_labeling.domain.names import LeaseName
from wakeline_labeling.domain.records import Label, Lease, Project, Slot
from wakeline_labeling.ports import Desk, Shelf, UnitOfWork
from wakeline_labeling.usecases import examining
from wakeline_labeling.usecases.finding import project_of, stage_by_id
from wakeline_labeling.usecases.holding import put_draft, why_dead
from wakeline_labeling.usecases.leasing import shown

THREAD_ABOVE = 50
"""With more shapes, comparing them takes long enough to be kept off the event loop."""


class Submitted(BaseModel):
    """What became of a submit: a label, or a refusal with the work kept as a draft."""

    label_id: str | None = None
    effort: Effort | None = None
    refused: str | None = None
    """Code of the refusal."""
    detail: str = ""

    def or_refusal(self) -> "Submitted":
        """This, if it is a label.

        Raises
        ------
        LeaseExpiredError, FenceOutdatedError
        """
        if self.refused == FenceOutdatedError.code:
            raise FenceOutdatedError(self.detail)
        if self.refused is not None:
            raise LeaseExpiredError(self.detail)
        return self


class Prepared(NamedTuple):
    """A submit on its way into its transaction."""

    name: LeaseName
    fence: int
    person_id: str
    project: Project
    slot: Slot
    """As the lease pinned it; as it is now, if the lease is over."""
    measured: effort.Effort | None
    """None if the lease is over: then there is nothing to measure against."""
    annotations: AnnotationSet
    digest: str
    uses: tuple[str, ...]
    client_seconds: float | None
    context: Context
    """The caller's: what is emitted carries the trace of its own request, whoever it goes with."""


async def prepare(
    uow: UnitOfWork,
    desk: Desk,
    shelf: Shelf,
    lease_id: str,
    person_id: str,
    fence: int,
    submitted: Sequence[Annotation],
    client_seconds: float | None,
) -> Prepared:
    """Check and measure what was submitted, and shelve it if it is large.

    Whether the lease still lives is decided later, in the transaction.

    Raises
    ------
    NoSuchLeaseError, InvalidAnnotationsError
    """
    name = names.lease_name(lease_id, person_id)
    slot = desk.lease_of(lease_id) or await uow.slots.of_person(name.task_id, person_id)
    if slot is None or slot.fence < name.fence:
        raise NoSuchLeaseError(lease_id)
    project = await project_of(uow, slot.project_id)
    size = {"width": slot.asset.width, "height": slot.asset.height}
    pinned = slot.fence == name.fence and slot.lease is not None
    shapes = await shown(uow, desk, shelf, slot) if pinned else ()

    def check() -> effort.Effort | None:
        wrong = problems_in(submitted, project.document.ontology, **size)
        if wrong:
            raise InvalidAnnotationsError(wrong)
        return submission.measure(shapes, submitted, **size) if pinned else None

    many = len(submitted) + len(shapes) > THREAD_ABOVE
    measured = await asyncio.to_thread(check) if many else check()
    return Prepared(
        name=name,
        fence=fence,
        person_id=person_id,
        project=project,
        slot=slot,
        measured=measured,
        annotations=await shelf.shelve(measured.annotations if measured else submitted),
        digest=submission.digest_of(submitted),
        uses=ontology.words_of(submitted),
        client_seconds=client_seconds,
        context=copy_context(),
    )


async def submit(uow: UnitOfWork, work: Sequence[Prepared]) -> list[Submitted | Exception]:
    """End each lease by its label, or refuse and keep the work as a draft.

    Returns
    -------
    For each, what became of it, or an exception that concerns it alone: ``AlreadySubmittedError``
    if its lease became a label with other annotations, or ``NoSuchLeaseError``.
    """
    alive = [each for each in work if each.fence == each.name.fence and each.measured is not None]
    slots = await uow.slots.submit([each.slot.id for each in alive], [each.name for each in alive])
    ended = {id(each): slot for each, slot in zip(alive, slots, strict=True)}
    outcomes: list[Submitted | Exception] = []
    for each in work:
        one = _submit_one(uow, each, ended.get(id(each)))
        try:
            outcomes.append(await asyncio.create_task(one, context=each.context))
        except (AlreadySubmittedError, NoSuchLeaseError) as error:
            outcomes.append(error)
    return outcomes


async def _submit_one(uow: UnitOfWork, prepared: Prepared, slot: Slot | None) -> Submitted:
    if slot is None or slot.lease is None:
        return await _refuse(uow, prepared)
    label = _label(prepared, slot, slot.lease)
    uow.labels.add(label)
    if prepared.person_id in slot.drafts:
        uow.drafts.delete(slot.id, prepared.person_id)
    if slot.arm == "benchmark":
        await _measured(uow, slot, label)
    elif slot.counts and slot.paired:
        uow.slots.unhold(slot.task_id, seen_by=prepared.person_id)
    uow.emit(_completed(label, slot))
    if not slot.counts and slot.arm != "benchmark":
        await _finish_companion(uow, slot)
    return Submitted(label_id=label.id, effort=label.effort)


async def _refuse(uow: UnitOfWork, prepared: Prepared) -> Submitted:
    name = prepared.name
    slot_id, lease_id = prepared.slot.id, names.lease_id(*name)
    former = names.former_lease_id(slot_id, name.fence)
    label = await uow.labels.of_lease(slot_id, (lease_id, former))
    if label is not None and label.person_id == prepared.person_id:
        if label.digest != prepared.digest:
            raise AlreadySubmittedError(label.id)
        return Submitted(label_id=label.id, effort=label.effort)
    if prepared.fence != name.fence:
        error: Exception = FenceOutdatedError(
            f"lease {lease_id} has fence {name.fence}, not {prepared.fence}"
        )
    else:
        error = await why_dead(uow, lease_id, prepared.person_id)
    if isinstance(error, NoSuchLeaseError):
        raise error
    slot = await uow.slots.get(slot_id)
    assert slot is not None
    put_draft(uow, slot, prepared.person_id, prepared.annotations)
    uow.slots.note_drafts(slot.id, prepared.person_id)
    code = FenceOutdatedError.code if isinstance(error, FenceOutdatedError) else "lease-expired"
    return Submitted(refused=code, detail=f"{error}; your work is kept as a draft")


def _label(prepared: Prepared, slot: Slot, lease: Lease) -> Label:
    assert prepared.measured is not None
    assert lease.submitted_at is not None
    return Label(
        id=names.label_id(slot.id, slot.round),
        project_id=slot.project_id,
        stage_id=slot.stage_id,
        task_id=slot.task_id,
        slot_id=slot.id,
        slot=slot.number,
        round=slot.round,
        asset=slot.asset,
        arm=slot.arm,
        counts=slot.counts,
        p_control=slot.p_control,
        p_selected=lease.p_selected,
        prelabel=submission.pinned(slot, lease),
        annotations=prepared.annotations,
        digest=prepared.digest,
        uses=prepared.uses,
        effort=submission.effort_of(
            prepared.measured,
            leased_at=lease.leased_at,
            submitted_at=lease.submitted_at,
            client_seconds=prepared.client_seconds,
        ),
        person_id=lease.person_id,
        team_id=lease.team_id,
        lease_id=slot.lease_id,
        ontology_version=prepared.project.ontology_version,
        submitted_at=lease.submitted_at,
    )


def _completed(label: Label, slot: Slot) -> LabelCompleted:
    return LabelCompleted(
        asset_id=label.asset.asset_id,
        label_id=label.id,
        project_id=label.project_id,
        stage_id=label.stage_id,
        task_id=label.task_id,
        slot=label.slot,
        round=label.round,
        asset=label.asset,
        arm=label.arm,
        counts=label.counts,
        p_control=label.p_control,
        p_selected=label.p_selected,
        prelabel=label.prelabel,
        annotations=label.annotations,
        effort=label.effort,
        person_id=label.person_id,
        team_id=label.team_id,
        lease_id=label.lease_id,
        ontology_version=label.ontology_version,
        submitted_at=label.submitted_at,
        n_labels=slot.wanted,
        focus_regions=slot.focus_regions,
    )


async def _measured(uow: UnitOfWork, slot: Slot, label: Label) -> None:
    stage = await stage_by_id(uow, slot.stage_id)
    if stage is not None:
        await examining.hand_in(uow, stage, label)
    if opening.stands_for_all(slot):  # leased by the release before, which knew no own slots
        uow.slots.add(opening.benchmark_after(slot))


async def _finish_companion(uow: UnitOfWork, slot: Slot) -> None:
    """The second half of a pair wants no verdict; if it was the last thing open, that was all."""
    task = await uow.tasks.note_companion(slot.task_id)
    if task is None or task.state != "accepted":
        return
    uow.tasks.close(task.id)
    uow.emit(
        TaskClosed(
            asset_id=slot.asset.asset_id,
            stage_id=slot.stage_id,
            task_id=slot.task_id,
            reason="labeled",
        )
    )
