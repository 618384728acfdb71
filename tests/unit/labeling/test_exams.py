"""Whether somebody may work at a stage yet."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_events.configuration import ExamPolicy
from wakeline_labeling.domain import exams
from wakeline_labeling.domain.exams import Exam
from wakeline_labeling.resources import LocalDesk

NOW = datetime(2026, 11, 25, tzinfo=UTC)
POLICY = ExamPolicy(tasks=2, min_agreement=0.8, attempts=2, cooldown_hours=24, suspend_below=0.5)
NEW = Exam(id="s|p", stage_id="s", person_id="p")


def graded(exam: Exam, *scores: float) -> Exam:
    for number, score in enumerate(scores):
        label = f"l{number}"
        exam = exam.model_copy(update={"submitted": (*exam.submitted, label)})
        exam = exams.graded(exam, POLICY, label, score, NOW)
    return exam


def test_an_exam_ends_with_its_last_task_and_its_mean_decides() -> None:
    assert graded(NEW, 1.0).state == "open"
    assert exams.missing(graded(NEW, 1.0), POLICY) == 1
    assert graded(NEW, 1.0, 0.6).state == "passed"
    assert graded(NEW, 1.0, 0.5).state == "failed"


def test_a_label_is_graded_once() -> None:
    once = exams.graded(NEW.model_copy(update={"submitted": ("a",)}), POLICY, "a", 1.0, NOW)
    assert exams.graded(once, POLICY, "a", 1.0, NOW) == once
    assert len(once.current.scores) == 1


def test_who_fails_waits_and_after_the_last_attempt_asks_a_manager() -> None:
    failed = graded(NEW, 0.1, 0.2)
    refused = exams.refusal(failed, POLICY, NOW + timedelta(hours=1))
    assert refused is not None
    assert refused.again_at == NOW + timedelta(hours=24)
    assert "0.15" in refused.detail
    assert exams.refusal(failed, POLICY, NOW + timedelta(hours=25)) is None
    twice = graded(exams.begun_again(failed), 0.1, 0.2)
    last = exams.refusal(twice, POLICY, NOW + timedelta(days=9))
    assert last is not None
    assert "ask a manager" in last.detail
    again = exams.given_new_attempts(twice)
    assert (again.state, again.used, len(again.sittings)) == ("open", 1, 3)
    assert exams.refusal(again, POLICY, NOW) is None


def test_bad_benchmarks_afterwards_close_the_queue_again() -> None:
    passed = graded(NEW, 1.0, 1.0)
    assert graded(passed, 0.0, 0.0, 0.0, 0.0).state == "passed"  # too few to say so
    suspended = graded(passed, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert suspended.state == "suspended"
    refused = exams.refusal(suspended, POLICY, NOW)
    assert refused is not None
    assert refused.code == "suspended"
    assert exams.given_new_attempts(suspended).state == "open"


@given(st.lists(st.floats(0, 1), max_size=30))
def test_an_exam_never_has_more_scores_than_tasks(scores: list[float]) -> None:
    exam = graded(NEW, *scores)
    assert all(len(sitting.scores) <= POLICY.tasks for sitting in exam.sittings)
    assert (exam.state == "open") == (len(scores) < POLICY.tasks)


def test_requests_beyond_the_rate_are_told_how_long_to_wait() -> None:
    desk = LocalDesk()
    waits = [desk.wait("ann", 0.001) for _ in range(3)]
    assert waits[0] == 0.0
    assert waits[1:] == pytest.approx([999, 999], abs=1)
    assert desk.wait("bob", 0.001) == 0.0
