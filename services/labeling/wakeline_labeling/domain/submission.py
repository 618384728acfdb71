"""What a submitted label is worth: origins and effort, counted from the pinned pre-label."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import orjson

from wakeline_events.labeling import Effort, PinnedPrelabel
from wakeline_geometry import effort
from wakeline_geometry.bounds import problems_of_attributes
from wakeline_geometry.shapes import Annotation, Predicted, Shape
from wakeline_labeling.domain import arms
from wakeline_labeling.domain.errors import InvalidAnnotationsError
from wakeline_labeling.domain.records import Lease, Slot


def check_attributes(annotations: Sequence[Annotation]) -> None:
    """Refuse what cannot be kept even as a draft, of which the ontology is not asked.

    Raises
    ------
    InvalidAnnotationsError
    """
    problems = [
        f"annotation {annotation.id} {problem}"
        for annotation in annotations
        for problem in problems_of_attributes(annotation)
    ]
    if problems:
        raise InvalidAnnotationsError(problems)


def measure(
    shown: Sequence[Predicted], submitted: Sequence[Annotation], *, width: int, height: int
) -> effort.Effort:
    """Hold a label against what was shown; whatever the client says of origins is overwritten.

    Raises
    ------
    InvalidAnnotationsError
        If an annotation says that it comes from a shape that was not shown, or two say they come
        from the same one.
    """
    try:
        return effort.measure(shown, submitted, (height, width))
    except ValueError as error:
        raise InvalidAnnotationsError([str(error)]) from error


def effort_of(
    measured: effort.Effort,
    *,
    leased_at: datetime,
    submitted_at: datetime,
    client_seconds: float | None,
) -> Effort:
    """The effort as the event carries it; both times are the database's."""
    return Effort(
        confirmed=measured.confirmed,
        edited=measured.edited,
        drawn=measured.drawn,
        removed=len(measured.removed),
        edit_ious=tuple(edit.iou for edit in measured.edits),
        class_changes=sum(edit.class_changed for edit in measured.edits),
        client_seconds=client_seconds,
        lease_seconds=max(0.0, (submitted_at - leased_at).total_seconds()),
    )


def pinned(slot: Slot, lease: Lease) -> PinnedPrelabel | None:
    """The pre-label that a lease pinned, and whether its labeler saw it."""
    if lease.pin is None:
        return None
    return PinnedPrelabel(**lease.pin.model_dump(), shown=arms.is_shown(slot.arm))


def digest_of(shapes: Sequence[Shape]) -> str:
    """SHA-256 of shapes, in hex: equal for equal shapes in equal order."""
    plain = [shape.model_dump(mode="json") for shape in shapes]
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
