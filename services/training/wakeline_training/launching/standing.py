"""How a Job stands, in words for people: from what the API server says of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from wakeline_training.launching.manifest import CONTAINER

Object = Mapping[str, Any]
"""An object of the Kubernetes API, as JSON."""
OWN_END = frozenset({0, 2})
"""Exit statuses with which a trainer says something, whatever happened around it."""
KILLED = 137
"""Exit status of a process that got SIGKILL."""
SILENT_NODE = timedelta(seconds=60)
"""How long after a pod should have ended its node may leave it unsaid."""
_LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
"""Reasons that a node gives for a container that it lost sight of, after a restart say."""
_NOTHING_YET = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """Its trainer has not begun."""

    why: str


@dataclass(frozen=True, slots=True)
class Running:
    """Its trainer is at work."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It has ended, or will not come to anything."""

    exit_code: int | None
    """None: not by itself."""
    cause: str = ""
    last_words: str = ""
    excused: bool = False
    hopeless: bool = False


Standing = Waiting | Running | Ended


def standing_of(
    job: Object,
    pod: Object | None,
    warnings: Sequence[Object],
    now: datetime,
    *,
    pod_is_gone: bool = False,
) -> Standing:
    """Say how a Job stands.

    Parameters
    ----------
    pod
        Its newest pod as it was seen last.
    warnings
        Events of type ``Warning`` about the Job or its pod.
    """
    if pod is not None and _phase(pod) in ("Succeeded", "Failed"):
        return _ended(pod)
    condition = _true_condition(job, "Complete", "SuccessCriteriaMet", "Failed", "FailureTarget")
    if condition is not None and condition["type"] in ("Complete", "SuccessCriteriaMet"):
        return Ended(0)
    if condition is not None and (pod is None or pod_is_gone or _is_overdue(pod, now)):
        return _failed(condition, pod)
    if pod is not None and not pod_is_gone and _is_overdue(pod, now):
        return Ended(None, f"its node {_node(pod)} does not answer", excused=True)
    if pod is not None and (_phase(pod) == "Running" or "running" in _state(pod)):
        return Running()
    return Waiting(_why_waiting(job, pod, warnings))


def _ended(pod: Object) -> Ended:
    status = pod["status"]
    terminated = _state(pod).get("terminated")
    code = terminated.get("exitCode") if terminated else None
    said = _last_line(terminated.get("message", "")) if terminated else ""
    reason, message = status.get("reason", ""), _line(status.get("message", ""))
    if code in OWN_END and reason != "DeadlineExceeded":
        return Ended(code, last_words=said)
    if reason == "DeadlineExceeded":
        limit = pod["spec"].get("activeDeadlineSeconds")
        return Ended(None, f"it did not end within {limit} s", said)
    disruption = _true_condition(pod, "DisruptionTarget")
    if disruption is not None:
        why = _line(disruption.get("message", "")) or message
        return Ended(None, f"its pod was taken away ({disruption['reason']}): {why}", said, True)
    if pod["metadata"].get("deletionTimestamp"):
        return Ended(None, "its pod was deleted", said, True)
    if terminated is None:  # the node took it in and sent it back: full, shutting down, ...
        return Ended(None, f"node {_node(pod)} refused it ({reason}): {message}", excused=True)
    if terminated.get("reason") in _LOST:
        return Ended(None, f"node {_node(pod)} lost it: was it restarted?", said, True)
    if terminated.get("reason") == "OOMKilled":
        limit = _container(pod["spec"]).get("resources", {}).get("limits", {}).get("memory")
        bound = f"its limit of {limit}" if limit else "its node has"
        return Ended(code, f"it needed more memory than {bound}", said)
    if code == KILLED:  # a busy node may not notice that it was its own kernel
        limit = _container(pod["spec"]).get("resources", {}).get("limits", {}).get("memory")
        bound = f" (its limit is {limit})" if limit else ""
        return Ended(code, f"it was killed, most likely for want of memory{bound}", said)
    if terminated.get("reason") in ("StartError", "ContainerCannotRun"):
        why = _line(terminated.get("message", ""))
        return Ended(code, f"its container could not be started: {why}", said)
    return Ended(code, last_words=said)


def _failed(condition: Object, pod: Object | None) -> Ended:
    """A Job that failed without a pod to ask."""
    if condition.get("reason") == "DeadlineExceeded":
        return Ended(None, "it neither began nor ended in the time that its Job has")
    if pod is not None:
        disruption = _true_condition(pod, "DisruptionTarget")
        why = f" ({disruption['reason']})" if disruption else ""
        return Ended(None, f"its pod was taken away{why} from node {_node(pod)}", excused=True)
    return Ended(None, "its pod was deleted", excused=True)


def _why_waiting(job: Object, pod: Object | None, warnings: Sequence[Object]) -> str:
    if job["spec"].get("suspend"):
        return "a queue holds its Job back: it is suspended"
    if pod is None:
        said = _newest(warnings, "FailedCreate").removeprefix("Error creating: ")
        return refusal("pod", said) if said else "its pod is being made"
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled["status"] != "True":
        return f"no node has room for it: {_line(scheduled.get('message', ''))}"
    waiting = _state(pod).get("waiting", {})
    reason, message = waiting.get("reason", ""), _line(waiting.get("message", ""))
    if reason in ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"):
        image = _container(pod["spec"])["image"]
        return f"its image {image} cannot be had ({reason}): {message}"
    if reason and reason not in _NOTHING_YET:
        return f"its container cannot be made ({reason}): {message}"
    newest = _newest(warnings, "FailedMount", "FailedCreatePodSandBox")
    if newest:
        return f"its container cannot be made: {newest}"
    return "its container is being made" if _node(pod) else "it waits for a node"


def refusal(what: str, said: str) -> str:
    """What the API server said of a thing that it did not let be made, without the noise."""
    _, forbidden, why = said.partition(" is forbidden: ")
    if forbidden and why.startswith("exceeded quota: "):
        told = why.removeprefix("exceeded quota: ")
        return f"the namespace's quota has no room for its {what}: {told}"
    return f"its {what} is refused: {why or said}"


def is_over(job: Object) -> bool:
    """Whether nothing of a Job runs any more."""
    return _true_condition(job, "Complete", "Failed") is not None


def _phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def _is_overdue(pod: Object, now: datetime) -> bool:
    """Whether a pod should have ended a while ago and nobody says that it did."""
    deleted = pod["metadata"].get("deletionTimestamp")
    return deleted is not None and now - time_of(deleted) > SILENT_NODE


def time_of(stamp: str) -> datetime:
    """A time as the API writes it, in UTC."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC)


def _state(pod: Object) -> Mapping[str, Any]:
    for status in pod.get("status", {}).get("containerStatuses", ()):
        if status["name"] == CONTAINER:
            state: Mapping[str, Any] = status.get("state", {})
            return state
    return {}


def _container(spec: Object) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(c for c in spec["containers"] if c["name"] == CONTAINER)
    return found


def _condition(thing: Object, *types: str) -> Object | None:
    for condition in thing.get("status", {}).get("conditions", ()):
        if condition["type"] in types:
            found: Object = condition
            return found
    return None


def _true_condition(thing: Object, *types: str) -> Object | None:
    conditions = thing.get("status", {}).get("conditions", ())
    return _condition(
        {"status": {"conditions": [c for c in conditions if c["status"] == "True"]}}, *types
    )


def _newest(warnings: Sequence[Object], *reasons: str) -> str:
    found = [event for event in warnings if event.get("reason") in reasons]
    if not found:
        return ""
    newest = max(found, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")
    return _line(newest.get("message", ""))


def _node(pod: Object) -> str:
    return str(pod["spec"].get("nodeName", ""))


def _line(text: str) -> str:
    return " ".join(text.split())[:1_000]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:2_000] if lines else ""
