"""How tasks, slots, labels and leases are named, and how their names are read."""

import hashlib
from typing import NamedTuple

from wakeline_labeling.domain.errors import NoSuchLeaseError


class LeaseName(NamedTuple):
    """A lease id taken apart; as nobody gets two slots of a task, it says which slot is meant."""

    task_id: str
    person_id: str
    fence: int


def stage_id(project_id: str, stage: str) -> str:
    """The id of a stage across all projects."""
    return f"{project_id}/{stage}"


def task_id(stage: str, asset_id: str) -> str:
    """The id of the one task that an asset has at a stage: the same whoever opens it."""
    return hashlib.sha256(f"{stage}/{asset_id}".encode()).hexdigest()[:24]


def slot_id(task: str, number: int) -> str:
    """The id of a slot of a task."""
    return f"{task}.{number}"


def task_of(slot: str) -> str:
    """The id of the task that a slot is of."""
    return slot.partition(".")[0]


def label_id(slot: str, round: int) -> str:
    """The id of the one label that a slot gets in a round."""
    return f"{slot}.{round}"


def lease_id(task: str, person_id: str, fence: int) -> str:
    """The id of a person's lease of a task: as each one has its own fence, no two are alike.

    It does not say which slot it is on: those of benchmarks have numbers of their own.
    """
    return f"{task}.{_mark_of(person_id)}.{fence}"


def former_lease_id(slot: str, fence: int) -> str:
    """The id of a lease in the release before."""
    return f"{slot}.{fence}"


def lease_name(lease_id: str, person_id: str) -> LeaseName:
    """Take the id of a person's lease apart, also one that the release before gave.

    Raises
    ------
    NoSuchLeaseError
        If it has another form, or is somebody else's.
    """
    task, whose, fence = [*lease_id.split("."), "", ""][:3]
    theirs = whose == _mark_of(person_id) or whose.isdecimal()
    if lease_id.count(".") != 2 or not (theirs and fence.isdecimal()):
        raise NoSuchLeaseError(lease_id)
    return LeaseName(task, person_id, int(fence))


def _mark_of(person_id: str) -> str:
    return f"p{hashlib.sha256(person_id.encode()).hexdigest()[:12]}"


def draft_id(slot: str, person_id: str) -> str:
    """The id of the one draft that a person has of a slot."""
    return f"{slot}:{person_id}"


def benchmark_id(stage: str, asset_id: str) -> str:
    """The id of the one trusted label that an asset has at a stage."""
    return f"{stage}|{asset_id}"


def exam_id(stage: str, person_id: str) -> str:
    """The id of the one exam that a person has at a stage."""
    return f"{stage}|{person_id}"


def benchmark_queue(stage: str) -> str:
    """The queue of a stage's benchmarks: slots that nobody leases, but gets one like them of."""
    return f"{stage}#benchmark"


def own_queue(stage: str, person_id: str) -> str:
    """The queue of a person's own slots of a stage's benchmarks: only asked what is in it."""
    return f"{benchmark_queue(stage)}/{person_id}"


def own_number(person_id: str) -> int:
    """The number of a person's own slot of any benchmark, above all that tasks are opened with.

    That two people share one is as likely as a collision of 48 bits; the second of them would
    not be given the benchmarks that the first one had.
    """
    return 2**32 + int.from_bytes(hashlib.sha256(person_id.encode()).digest()[:6])
