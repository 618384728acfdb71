"""Which groups are presumed to be hold-out, so that their labels are made without pre-labels.

Training decides the splits, at its first freeze and for ever, by the same rank; a label that was
made with a pre-label could not stand in its hold-out. So labeling presumes generously.
"""

import hashlib
from collections.abc import Collection

ALWAYS = 5
"""So many groups of lowest rank of each dataset are hold-out, however small it is."""


def rank(dataset_id: str, group: str) -> float:
    """The place of a group among all groups of its dataset, uniform in [0, 1)."""
    digest = hashlib.sha256(f"{dataset_id}|{group}".encode()).digest()
    return min(int.from_bytes(digest, "big") / 2**256, 1 - 2**-53)  # never rounded up to 1


def is_presumed(rank: float, share: float, group: str, lowest: Collection[str]) -> bool:
    """Whether a group is presumed to be hold-out.

    Parameters
    ----------
    rank : in [0, 1)
    share : the stage's hold-out share, in (0, 1)
    lowest : the ``ALWAYS`` groups of lowest rank that the dataset has so far
    """
    return rank < share or group in lowest
