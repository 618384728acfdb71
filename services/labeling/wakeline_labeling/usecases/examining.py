"""Lets people take an exam before a stage's queue opens to them, and watches their scores after."""

from datetime import timedelta

from wakeline_events.configuration import ExamPolicy
from wakeline_labeling.domain import exams, names
from wakeline_labeling.domain.errors import (
    ExamFailedError,
    NoSuchExamError,
    NoTaskAvailableError,
    SuspendedError,
)
from wakeline_labeling.domain.exams import Exam
from wakeline_labeling.domain.queues import Claim, Labeler
from wakeline_labeling.domain.records import Label, Slot, Stage
from wakeline_labeling.ports import Desk, RequestRepeatedError, SeenBeforeError, UnitOfWork
from wakeline_labeling.usecases import benchmarking
from wakeline_labeling.usecases.finding import stage_by_id
from wakeline_labeling.usecases.leasing import request_name


async def sitting_of(uow: UnitOfWork, stage: Stage, labeler: Labeler) -> Exam | None:
    """The exam that a person has to take before anything else; None: the queue is open to them.

    Reviewers are not examined.

    Raises
    ------
    ExamFailedError, SuspendedError
    """
    policy = stage.policy.exam
    if policy is None or labeler.expert:
        return None
    exam = await exam_of(uow, stage.id, labeler.person_id)
    refused = exams.refusal(exam, policy, uow.now)
    if refused is not None and refused.code == "suspended":
        raise SuspendedError(refused.detail)
    if refused is not None:
        raise ExamFailedError(refused.detail, refused.again_at)
    if exam.state == "passed":
        return None
    return exam


async def lease_exam(
    uow: UnitOfWork,
    desk: Desk,
    stage: Stage,
    labeler: Labeler,
    exam: Exam,
    count: int,
    key: str | None,
) -> list[Slot]:
    """Lease up to ``count`` tasks of a person's exam: benchmarks that they have not seen.

    Raises
    ------
    NoTaskAvailableError
        If all tasks of the attempt are out or handed in, or no benchmark is left for this person.
    """
    policy = stage.policy.exam
    assert policy is not None
    if exam.state == "failed":
        await uow.exams.begin_again(exam, exams.begun_again(exam))
        exam = await exam_of(uow, stage.id, labeler.person_id)
    key = key or desk.new_id()
    held = await uow.exams.count_held(stage.id, labeler.person_id)
    wanted = min(count, exams.missing(exam, policy) - held)
    slots: list[Slot] = []
    for number in range(max(wanted, 0)):
        request = request_name(stage, labeler, f"{key}/{number}")
        slot = await _lease_one(uow, desk, stage, labeler, request)
        if slot is None:
            break
        slots.append(slot)
    if not slots:
        raise NoTaskAvailableError(_why_nothing(exam, policy, held))
    for slot in slots:
        desk.leased(slot)
    return slots


async def exam_of(uow: UnitOfWork, stage_id: str, person_id: str) -> Exam:
    """A person's exam at a stage; a new one, if they never took it."""
    exam = await uow.exams.get(stage_id, person_id)
    return exam or Exam(
        id=names.exam_id(stage_id, person_id), stage_id=stage_id, person_id=person_id
    )


async def hand_in(uow: UnitOfWork, stage: Stage, label: Label) -> None:
    """Note that a benchmark was labeled, where benchmarks decide who may work: a job grades it."""
    if stage.policy.exam is None:
        return
    exam = await exam_of(uow, stage.id, label.person_id)
    uow.exams.put(exam.model_copy(update={"submitted": (*exam.submitted, label.id)}))
    uow.enqueue("grade", label.id, {"label": label.id})


async def grade(uow: UnitOfWork, label: Label, score: float) -> None:
    """Take in the score of a benchmark, in [0, 1]."""
    stage = await stage_by_id(uow, label.stage_id)
    if stage is None or stage.policy.exam is None:
        return
    exam = await exam_of(uow, stage.id, label.person_id)
    uow.exams.put(exams.graded(exam, stage.policy.exam, label.id, score, uow.now))


async def give_new_attempts(uow: UnitOfWork, stage: Stage, person_id: str) -> Exam:
    """Let somebody who failed, or was suspended, take the exam again.

    Raises
    ------
    NoSuchExamError
    """
    exam = await uow.exams.get(stage.id, person_id)
    if exam is None:
        raise NoSuchExamError(f"{person_id} has not taken an exam of stage {stage.id}")
    again = exams.given_new_attempts(exam)
    uow.exams.put(again)
    return again


async def _lease_one(
    uow: UnitOfWork,
    desk: Desk,
    stage: Stage,
    labeler: Labeler,
    request: str,
) -> Slot | None:
    queue = benchmarking.queue_of(stage, labeler)
    lasts = timedelta(minutes=stage.policy.lease_minutes)
    standing = await benchmarking.standing(uow, stage)
    refused: set[str] = set()
    while found := await benchmarking.unseen(uow, stage, labeler, standing, refused):
        drawn = found[int(desk.coin() * len(found))]
        claim = Claim(queue, drawn, 1 / len(found), lasts, request)
        try:
            return await benchmarking.claim(uow, claim)
        except RequestRepeatedError:
            return await uow.queue.requested(request)
        except SeenBeforeError:
            refused.add(drawn)
    return None


def _why_nothing(exam: Exam, policy: ExamPolicy, held: int) -> str:
    if held:
        return f"you hold {held} tasks of your exam: hand them in first"
    if exam.submitted:
        return "your exam is being graded: ask again in a moment"
    return (
        f"your exam of {policy.tasks} tasks needs benchmarks that you have not seen, and none is "
        "left for you: ask a manager to set more"
    )
