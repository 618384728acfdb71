"""Which labels an expert sees, and which of several labels of a task counts."""

import hashlib
from collections.abc import Mapping, Sequence

from wakeline_events.configuration import ReviewPolicy
from wakeline_events.labeling import Arm


def needs_review(policy: ReviewPolicy, label_id: str, arm: Arm) -> bool:
    """Whether an expert looks at a label before it counts.

    The draw is the label's own hash: the same at every replay, and nobody can try again until
    it falls better. Labels of benchmark assets are scored against the trusted label instead.
    """
    if arm == "benchmark":
        return False
    draw = int.from_bytes(hashlib.sha256(label_id.encode()).digest()[:8]) / 2**64
    return draw < policy.share


def best_of(agreements: Mapping[str, Sequence[float]]) -> str:
    """The label that agrees best with the others of its task; the lowest id among equals.

    Parameters
    ----------
    agreements
        Label id -> its agreement with each other label, each in [0, 1].
    """
    return min(agreements, key=lambda label: (-sum(agreements[label]), label))
