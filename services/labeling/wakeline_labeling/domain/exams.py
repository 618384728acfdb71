"""Whether somebody may work at a stage yet: an exam on benchmarks first, and scores ever after."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from wakeline_events.configuration import ExamPolicy
from wakeline_labeling.domain.records import Record

ROLLING = 20
"""So many of the last benchmark scores say how somebody does now."""
FEWEST = 5
"""With fewer scores since the exam nobody is suspended."""


class Sitting(Record):
    """One attempt at an exam."""

    scores: tuple[float, ...] = ()
    """Of its tasks so far, each in [0, 1]."""
    passed: bool | None = None
    """None while it lasts."""
    ended_at: datetime | None = None

    @property
    def mean(self) -> float | None:
        """Mean of the scores; None before the first."""
        return sum(self.scores) / len(self.scores) if self.scores else None


class Exam(Record):
    """One person's exam at one stage, with all attempts."""

    id: str
    stage_id: str
    person_id: str
    state: Literal["open", "passed", "failed", "suspended"] = "open"
    sittings: tuple[Sitting, ...] = (Sitting(),)
    """The last one is the current one."""
    used: int = 1
    """Attempts since a manager last gave new ones."""
    submitted: tuple[str, ...] = ()
    """Labels that wait for their score."""
    rolling: tuple[float, ...] = ()
    """The last benchmark scores since the exam was passed."""

    @property
    def current(self) -> Sitting:
        """The attempt that counts now."""
        return self.sittings[-1]


class Refused(NamedTuple):
    """Why somebody may not work at a stage, and what to do about it."""

    code: Literal["exam-failed", "suspended"]
    detail: str
    again_at: datetime | None = None


def refusal(exam: Exam, policy: ExamPolicy, now: datetime) -> Refused | None:
    """Why a person may not lease anything at the stage now; None if they may."""
    if exam.state == "suspended":
        mean = sum(exam.rolling) / len(exam.rolling)
        return Refused(
            "suspended",
            f"your last {len(exam.rolling)} benchmarks have a mean score of {mean:.2f}, and this "
            f"stage asks for {policy.suspend_below:.2f}: ask a manager to let you take the exam "
            "again",
        )
    if exam.state != "failed":
        return None
    mean_score = exam.current.mean or 0.0
    said = (
        f"your exam has a mean score of {mean_score:.2f}, and {policy.min_agreement:.2f} is needed"
    )
    if exam.used >= policy.attempts:
        return Refused(
            "exam-failed",
            f"{said}; this was attempt {exam.used} of {policy.attempts}: ask a manager for more",
        )
    again = (exam.current.ended_at or now) + timedelta(hours=policy.cooldown_hours)
    if now < again:
        return Refused(
            "exam-failed",
            f"{said}; you may try again from {again.isoformat(timespec='seconds')} on",
            again,
        )
    return None


def begun_again(exam: Exam) -> Exam:
    """The next attempt after one that failed."""
    sittings = (*exam.sittings, Sitting())
    return exam.model_copy(
        update={"state": "open", "sittings": sittings, "used": exam.used + 1, "submitted": ()}
    )


def given_new_attempts(exam: Exam) -> Exam:
    """What a manager may do for somebody who failed, or was suspended."""
    again = begun_again(exam) if exam.state != "open" else exam
    return again.model_copy(update={"used": 1, "rolling": ()})


def missing(exam: Exam, policy: ExamPolicy) -> int:
    """How many tasks of the current attempt still have to be handed in."""
    return max(0, policy.tasks - len(exam.current.scores) - len(exam.submitted))


def graded(exam: Exam, policy: ExamPolicy, label_id: str, score: float, now: datetime) -> Exam:
    """After one more benchmark score, in [0, 1]; a label is graded once."""
    if label_id not in exam.submitted:
        return exam
    waiting = tuple(each for each in exam.submitted if each != label_id)
    exam = exam.model_copy(update={"submitted": waiting})
    if exam.state == "open":
        return _sat(exam, policy, score, now)
    if exam.state != "passed":
        return exam
    rolling = (*exam.rolling, score)[-ROLLING:]
    low = sum(rolling) / len(rolling) < policy.suspend_below
    state = "suspended" if low and len(rolling) >= FEWEST else "passed"
    return exam.model_copy(update={"rolling": rolling, "state": state})


def _sat(exam: Exam, policy: ExamPolicy, score: float, now: datetime) -> Exam:
    sitting = exam.current.model_copy(update={"scores": (*exam.current.scores, score)})
    state = "open"
    if len(sitting.scores) >= policy.tasks:
        passed = (sitting.mean or 0.0) >= policy.min_agreement
        sitting = sitting.model_copy(update={"passed": passed, "ended_at": now})
        state = "passed" if passed else "failed"
    return exam.model_copy(update={"sittings": (*exam.sittings[:-1], sitting), "state": state})
