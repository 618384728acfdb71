"""Takes in what became of labels in review: accepted, sent back, or corrected later."""

from wakeline_events.labeling import TaskClosed
from wakeline_events.review import LabelAccepted, LabelRejected, LabelSuperseded
from wakeline_labeling.domain import queueing, rework
from wakeline_labeling.domain.records import Acceptance, Label, Reservation, Stage
from wakeline_labeling.ports import UnitOfWork
from wakeline_labeling.usecases.finding import stage_by_id
from wakeline_messaging import NotYetKnownError

EXPERT = "reviewer"
"""The role of those who make the last round."""


async def accept(uow: UnitOfWork, event: LabelAccepted) -> None:
    """Note the accepted label of a task's round, and close the task if nothing else is open.

    Review may accept a label while its task is cancelled and reopened here, to be made anew: that
    label counts until the new one does, but nothing that waits for the next round ends with it.
    """
    labels = {}
    for label_id in {event.label_id, *event.merged_from}:
        labels[label_id] = await _known_label(uow, label_id)
    task = await uow.tasks.get(event.task_id)
    if task is None:
        raise NotYetKnownError(f"task:{event.task_id}")
    acceptance = Acceptance(
        label_id=event.label_id,
        verdict=event.verdict,
        reviewer_id=event.reviewer_id,
        annotations=event.annotations,
        agreement=event.agreement,
        benchmark_score=event.benchmark_score,
    )
    for label_id, label in labels.items():
        counts = label_id == event.label_id
        if not _is_known(label, event, counts=counts):
            uow.labels.accept(label_id, acceptance, "accepted" if counts else "merged")
    if task.state != "open" or not labels.keys().isdisjoint(task.remade):
        return
    closed = not task.paired or task.companion_done
    uow.tasks.accept(task.id, event.label_id, event.people_agreement, closed=closed)
    uow.slots.finish(task.id)
    if closed:
        uow.emit(
            TaskClosed(
                asset_id=event.asset_id,
                stage_id=event.stage_id,
                task_id=event.task_id,
                reason="labeled",
            )
        )
    stage = await stage_by_id(uow, event.stage_id)
    if stage is not None and stage.position + 1 < len(stage.project.document.stages):
        uow.enqueue("hand-on", event.label_id, {"label": event.label_id})


async def send_back(uow: UnitOfWork, event: LabelRejected) -> None:
    """Open the rejected slot for its next round: for the same person, in the last for an expert."""
    label = await _known_label(uow, event.label_id)
    if label.state != "submitted" or not label.counts:
        return
    stage = await stage_by_id(uow, label.stage_id)
    reserved = await _reservation(uow, stage, label) if stage else None
    uow.labels.reject(label.id)
    uow.slots.reopen(
        label.slot_id,
        label.round,
        label.id,
        reserved,
        rework.kept_for(reserved) if reserved else rework.SAME_PERSON_FOR,
        queueing.REWORK_AHEAD,
    )


async def correct(uow: UnitOfWork, event: LabelSuperseded) -> None:
    """Let a later correction count from now on."""
    await _known_label(uow, event.label_id)
    uow.labels.correct(event.label_id, event.annotations, event.reviewer_id)


def _is_known(label: Label, event: LabelAccepted, *, counts: bool) -> bool:
    """Whether a snapshot says of a label what stands here, a later correction included."""
    said = label.acceptance
    if said is None or said.label_id != event.label_id:
        return False
    return not counts or said.annotations == event.annotations


async def _known_label(uow: UnitOfWork, label_id: str) -> Label:
    label = await uow.labels.get(label_id)
    if label is None:
        raise NotYetKnownError(f"label:{label_id}")
    return label


async def _reservation(uow: UnitOfWork, stage: Stage, label: Label) -> Reservation | None:
    policy = stage.policy
    teams = {policy.team, policy.review.team} - {None}
    experts = await uow.teams.count([team for team in teams if team], EXPERT)
    person = await uow.teams.person(label.person_id)
    # Who is in no list is somebody whose token alone says where they belong.
    member = person is None or person.team_id == policy.team
    return rework.reservation(
        policy.review, label.round + 1, label.person_id, experts=experts, member=member
    )
