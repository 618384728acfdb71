"""Which arm a task falls into: drawn once by a keyed hash, so that nobody can draw again."""

import hashlib
import hmac
from typing import NamedTuple

from wakeline_events.labeling import Arm

PAIRED_SHARE = 0.5
"""``p_control`` of a pair: of the two labels that its asset gets, one is the control."""


class Assignment(NamedTuple):
    """The arm of a slot, and with what probability it would have been the control arm."""

    arm: Arm
    p_control: float


def fraction(secret: bytes, name: str) -> float:
    """A number in [0, 1) that looks random and is always the same for a name: HMAC-SHA256."""
    digest = hmac.new(secret, name.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:6], "big") / 2**48  # 48 bits: exact in a float, never 1.0


def assign(secret: bytes, task_id: str, control_share: float) -> Assignment:
    """The arm of an ordinary task.

    Parameters
    ----------
    control_share
        Probability of the control arm, in [0, 1].
    """
    control = fraction(secret, task_id) < control_share
    return Assignment("control" if control else "assisted", control_share)


def is_shown(arm: Arm) -> bool:
    """Whether labels of an arm are made with the pre-label in sight."""
    return arm == "assisted"
