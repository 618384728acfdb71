"""Which labels an expert sees before they count, and why."""

import hashlib
from collections.abc import Collection, Iterable
from typing import get_args

from wakeline_events.configuration import ReviewPolicy
from wakeline_events.labeling import Effort, LabelCompleted
from wakeline_events.review import Reason
from wakeline_review.domain.records import Standing

ORDER: tuple[Reason, ...] = get_args(Reason)


def labels_of_task(label: LabelCompleted, wanted: int) -> int:
    """How many labels of a label's task count.

    Parameters
    ----------
    wanted : by the stage's policy today, for labels of releases that did not say it
    """
    if label.n_labels is not None:
        return label.n_labels
    return 1 if label.arm in ("holdout", "benchmark") else wanted


def of_person(policy: ReviewPolicy, standing: Standing) -> tuple[Reason, ...]:
    """Why a label is reviewed because of who made it, given what they made before it."""
    found: list[Reason] = []
    if standing.labels < policy.new_person_labels:
        found.append("new-person")
    if standing.scores and standing.mean_score < policy.min_benchmark_score:
        found.append("low-benchmark-score")
    return tuple(found)


def reasons(
    policy: ReviewPolicy, label: LabelCompleted, classes: Collection[str]
) -> tuple[Reason, ...]:
    """Why a label is reviewed because of what it is; () if nothing speaks for it.

    The draw of the share is the label's own hash: the same at every replay, and nobody can try
    again until it falls better. Of a task of several people all labels share one draw. Labels of
    benchmark assets are scored against the trusted label instead.

    Parameters
    ----------
    classes : those that the label uses
    """
    if label.arm == "benchmark":
        return ()
    found: list[Reason] = []
    if _draw(label) < policy.share:
        found.append("share")
    if not set(policy.classes).isdisjoint(classes):
        found.append("class")
    shown = label.prelabel is not None and label.prelabel.shown
    if shown and kept(label.effort) < policy.min_prelabel_agreement:
        found.append("low-prelabel-agreement")
    return tuple(found)


def kept(effort: Effort) -> float:
    """How much of what was shown a label kept, in [0, 1]; 1 if nothing was shown nor drawn.

    As ``agreement.compare`` scores two labels: a confirmed shape is 1, an edited one its IoU, and
    the sum is divided by the longer of both lists.
    """
    touched = effort.confirmed + effort.edited
    longest = max(touched + effort.drawn, touched + effort.removed)
    return (effort.confirmed + sum(effort.edit_ious)) / longest if longest else 1.0


def must_be_read(policy: ReviewPolicy, label: LabelCompleted) -> bool:
    """Whether a decision needs annotations that are too large for the event."""
    return bool(policy.classes) and label.counts and label.annotations.items is None


def inline_classes(label: LabelCompleted) -> set[str]:
    """The classes that the annotations in the event use."""
    return {annotation.class_name for annotation in label.annotations.items or ()}


def in_order(found: Iterable[str]) -> tuple[Reason, ...]:
    """Reasons without repetition, in the order in which they are told."""
    there = set(found)
    return tuple(reason for reason in ORDER if reason in there)


def _draw(label: LabelCompleted) -> float:
    several = label.n_labels is not None and label.n_labels > 1
    name = label.task_id if several else label.label_id
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
