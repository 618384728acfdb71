"""What people are told of a Job, from what the API server says of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wakeline_training.launching.standing import (
    Ended,
    Running,
    Standing,
    Waiting,
    is_over,
    standing_of,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JUST, LONG_AGO = "2026-01-02T03:04:00Z", "2026-01-02T02:00:00Z"


def job(*conditions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "j"}, "spec": spec, "status": {"conditions": list(conditions)}}


def condition(kind: str, reason: str = "", message: str = "", status: str = "True") -> Any:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def pod(
    phase: str = "Pending",
    state: dict[str, Any] | None = None,
    *conditions: dict[str, Any],
    deleted: str | None = None,
    **status: Any,
) -> dict[str, Any]:
    limits = {"limits": {"memory": "1Gi"}}
    container = {"name": "trainer", "image": "trainer:1", "resources": limits}
    statuses = [{"name": "sidecar", "state": {}}, {"name": "trainer", "state": state or {}}]
    return {
        "metadata": {"name": "p", **({"deletionTimestamp": deleted} if deleted else {})},
        "spec": {"nodeName": "n1", "containers": [container], "activeDeadlineSeconds": 570},
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            **({} if state is None else {"containerStatuses": statuses}),
            **status,
        },
    }


def exited(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def warning(reason: str, message: str, at: str = JUST) -> dict[str, Any]:
    return {"reason": reason, "message": message, "lastTimestamp": at}


def standing(
    of_job: dict[str, Any] | None = None, of_pod: dict[str, Any] | None = None,
    *warnings: dict[str, Any], gone: bool = False,
) -> Standing:  # fmt: skip
    return standing_of(of_job or job(), of_pod, warnings, NOW, pod_is_gone=gone)


def why(
    of_job: dict[str, Any] | None, of_pod: dict[str, Any] | None, *warnings: dict[str, Any]
) -> str:
    found = standing(of_job, of_pod, *warnings)
    assert isinstance(found, Waiting), found
    return found.why


# --- waiting ---------------------------------------------------------------------------------


def test_a_quota_is_told_with_its_numbers() -> None:
    said = (
        'Error creating: pods "j-x1" is forbidden: exceeded quota: gpus, '
        "requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=4, "
        "limited: requests.nvidia.com/gpu=4"
    )
    assert why(None, None, warning("FailedCreate", said)) == (
        "the namespace's quota has no room for its pod: gpus, requested: requests.nvidia.com/gpu=1,"
        " used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4"
    )


def test_a_pod_that_is_not_let_in_is_told_by_the_newest_reason() -> None:
    old = warning("FailedCreate", "Error creating: old", LONG_AGO)
    new = 'Error creating: pods "j-" is forbidden: violates PodSecurity "restricted:latest": x'
    told = why(None, None, warning("FailedCreate", new), old)
    assert told == 'its pod is refused: violates PodSecurity "restricted:latest": x'


def test_a_node_without_room_is_told() -> None:
    full = condition("PodScheduled", "Unschedulable", "0/3 nodes: 3 Insufficient cpu.", "False")
    told = why(None, pod("Pending", None, full))
    assert told == "no node has room for it: 0/3 nodes: 3 Insufficient cpu."


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"]
)
def test_an_image_that_cannot_be_had_is_named(reason: str) -> None:
    told = why(None, pod("Pending", waiting(reason, "not\n found")))
    assert told == f"its image trainer:1 cannot be had ({reason}): not found"


def test_a_secret_that_is_missing_is_told() -> None:
    told = why(None, pod("Pending", waiting("CreateContainerConfigError", 'secret "s" not found')))
    assert told == 'its container cannot be made (CreateContainerConfigError): secret "s" not found'
    told = why(
        None, pod("Pending", waiting("ContainerCreating")), warning("FailedMount", "no such map")
    )
    assert told == "its container cannot be made: no such map"


def test_a_job_that_a_queue_holds_back_waits() -> None:
    assert "suspended" in why(job(suspend=True), None)


def test_ordinary_waiting_has_words_too() -> None:
    assert why(None, None) == "its pod is being made"
    assert why(None, pod("Pending", waiting("ContainerCreating"))) == "its container is being made"


# --- running ---------------------------------------------------------------------------------


def test_a_trainer_at_work_is_at_work_while_it_ends_as_well() -> None:
    at_work = {"running": {"startedAt": LONG_AGO}}
    assert standing(None, pod("Running", at_work)) == Running()
    assert standing(None, pod("Running", at_work, deleted=JUST)) == Running()
    failing = job(condition("FailureTarget", "BackoffLimitExceeded"))
    assert standing(failing, pod("Running", at_work, deleted=JUST)) == Running()


# --- ended -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 2])
def test_a_trainers_own_word_counts_even_while_its_pod_is_taken_away(code: int) -> None:
    phase = "Failed" if code else "Succeeded"
    evicted = condition("DisruptionTarget", "EvictionByEvictionAPI", "evicting")
    found = standing(None, pod(phase, exited(code, message="one\nwhy\n"), evicted, deleted=JUST))
    assert found == Ended(code, last_words="why")


def test_a_trainer_that_failed_by_itself_is_not_excused() -> None:
    assert standing(None, pod("Failed", exited(1, message="a\nthe power went"))) == Ended(
        1, last_words="the power went"
    )


def test_a_lack_of_memory_is_told_with_the_limit() -> None:
    found = standing(None, pod("Failed", exited(137, "OOMKilled")))
    assert found == Ended(137, "it needed more memory than its limit of 1Gi")


def test_one_that_was_killed_by_nobody_known_is_told_what_is_likely() -> None:
    found = standing(None, pod("Failed", exited(137)))
    assert found == Ended(137, "it was killed, most likely for want of memory (its limit is 1Gi)")


def test_one_that_took_too_long_is_told_so() -> None:
    found = standing(None, pod("Failed", exited(143), reason="DeadlineExceeded"))
    assert found == Ended(None, "it did not end within 570 s")
    late = job(condition("Failed", "DeadlineExceeded"))
    found = standing(late, None)
    assert isinstance(found, Ended)
    assert (found.exit_code, found.excused) == (None, False)


@pytest.mark.parametrize(
    "taken",
    [
        pod("Failed", exited(143), condition("DisruptionTarget", "PreemptionByScheduler", "for x")),
        pod("Failed", exited(137), deleted=JUST),
        pod("Failed", None, reason="OutOfcpu", message="Node didn't have enough resource"),
        pod("Failed", exited(137, "ContainerStatusUnknown", "could not be located")),
        pod("Failed", exited(255, "Unknown")),
        pod("Running", {"running": {}}, deleted=LONG_AGO),
    ],
    ids=["preempted", "deleted", "refused by node", "lost", "restarted", "silent node"],
)
def test_what_the_platform_did_is_no_failure_of_the_trainers(taken: dict[str, Any]) -> None:
    found = standing(None, taken)
    assert isinstance(found, Ended)
    assert found.exit_code is None
    assert found.excused
    assert found.cause


def test_an_eviction_is_told_with_its_reason() -> None:
    evicted = condition("DisruptionTarget", "TerminationByKubelet", "The node was low on memory.")
    found = standing(None, pod("Failed", exited(137), evicted, reason="Evicted", message="x"))
    assert isinstance(found, Ended)
    assert found.cause == (
        "its pod was taken away (TerminationByKubelet): The node was low on memory."
    )


def test_a_pod_that_vanished_is_an_end_once_the_job_says_so() -> None:
    at_work = pod("Running", {"running": {}})
    assert standing(job(), at_work, gone=True) == Running()
    failed = job(condition("Failed", "BackoffLimitExceeded"))
    for last_seen in (None, at_work):
        found = standing(failed, last_seen, gone=True)
        assert isinstance(found, Ended)
        assert found.excused


def test_a_job_that_is_complete_ended_well_whatever_became_of_its_pod() -> None:
    assert standing(job(condition("Complete")), None) == Ended(0)


def test_a_condition_that_is_false_says_nothing() -> None:
    assert isinstance(standing(job(condition("Failed", status="False")), None), Waiting)
    assert not is_over(job(condition("Failed", status="False")))
    assert not is_over(job(condition("FailureTarget")))
    assert is_over(job(condition("Complete")))
