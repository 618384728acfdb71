"""One label made of several people's labels of one asset.

Shapes of different people that are about the same object are brought together, and what more
than half of the people drew is kept: boxes by the mean of their corners, which is weighted box
fusion for people of equal weight (Solovyev, Wang and Gabruseva, "Weighted boxes fusion", Image
and Vision Computing 107, 2021); polygons and masks pixel by pixel; points by their mean; lines by
the one that is most like the others, since a mean of lines is no line; classes by majority.

A majority per pixel is what STAPLE (Warfield, Zou and Wells, IEEE TMI 23, 2004) gives for people
of equal quality. It weighs people by the pixels they agree on; with the two to five people of a
task and one object at a time there is too little to estimate that from, so nobody is weighed.
"""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from wakeline_geometry import masks
from wakeline_geometry.masks import Size
from wakeline_geometry.outlines import outline
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import (
    Annotation,
    AttributeValue,
    Box,
    Classification,
    Geometry,
    Mask,
    Point,
    Polyline,
)

SAME_OBJECT = 0.5
"""Shapes that overlap less are about different objects: the usual threshold of PASCAL VOC."""

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Merged:
    """What several labels of one asset amount to."""

    annotations: tuple[Annotation, ...]
    support: tuple[float, ...]
    """For each annotation, the share of people who drew it, in (0.5, 1]."""
    left_out: int
    """Objects that half of the people, or fewer, drew."""
    undecided: tuple[Annotation, ...] = ()
    """Of each object that is left out and speaks for itself as much as against itself, one
    drawing: exactly half of the people drew it (of two people one), or those who did share no
    pixel of it."""


def merge(labels: Sequence[Sequence[Annotation]], size: Size) -> Merged:
    """Merge k labels of one asset into one; the order of labels and shapes plays no part.

    An object counts that more than half of the people drew: of two people, both. Equal labels
    merge to themselves. Attributes are decided by majority among those who drew the object; it
    keeps the pre-label's shape it came from only if all of them name the same.

    Parameters
    ----------
    size
        ``(height, width)`` of the asset in pixels.

    Raises
    ------
    ValueError
        If there is no label, or a mask is not of the asset's size.
    """
    if not labels:
        raise ValueError("there is nothing to merge")
    ordered = sorted((sorted(label, key=_content) for label in labels), key=_contents)
    found = _objects(ordered, size)
    kept = [members for members in found if 2 * len(members) > len(labels)]
    merged = [(_fused(members, size), len(members) / len(labels)) for members in kept]
    halves = [members[0] for members in found if 2 * len(members) == len(labels)]
    apart = [members[0] for members, (shape, _) in zip(kept, merged, strict=True) if shape is None]
    drawn = sorted(
        ((shape, share) for shape, share in merged if shape is not None),
        key=lambda pair: _content(pair[0]),
    )
    return Merged(
        annotations=tuple(
            shape.model_copy(update={"id": f"m{number}"}) for number, (shape, _) in enumerate(drawn)
        ),
        support=tuple(share for _, share in drawn),
        left_out=len(found) - len(drawn),
        undecided=tuple(
            shape.model_copy(update={"id": f"u{number}"})
            for number, shape in enumerate(sorted(halves + apart, key=_content))
        ),
    )


def _objects(labels: Sequence[Sequence[Annotation]], size: Size) -> list[list[Annotation]]:
    """Which shapes are about one object: at most one a label, most alike first."""
    shapes = [(owner, shape) for owner, label in enumerate(labels) for shape in label]
    group_of = list(range(len(shapes)))
    groups = {place: [place] for place in group_of}
    for _, one, other in sorted(_likenesses(shapes, size)):
        a, b = group_of[one], group_of[other]
        owners = [shapes[place][0] for place in groups[a] + groups[b]]
        if a == b or len(set(owners)) < len(owners):
            continue
        for place in groups[b]:
            group_of[place] = a
        groups[a] += groups.pop(b)
    return [[shapes[place][1] for place in sorted(members)] for members in groups.values()]


def _likenesses(
    shapes: Sequence[tuple[int, Annotation]], size: Size
) -> Iterable[tuple[float, int, int]]:
    """``(-overlap, place, place)`` of shapes of one class by two people about one object."""
    places: dict[tuple[int, str], list[int]] = {}
    for place, (owner, shape) in enumerate(shapes):
        places.setdefault((owner, shape.class_name), []).append(place)
    for (one, left), (other, right) in combinations(sorted(places.items()), 2):
        if one[0] == other[0] or one[1] != other[1]:
            continue
        overlaps = pairwise_iou(
            [shapes[i][1].geometry for i in left], [shapes[j][1].geometry for j in right], size
        )
        for i, j in np.argwhere(overlaps >= SAME_OBJECT).tolist():
            yield -float(overlaps[i, j]), left[i], right[j]


def _fused(members: Sequence[Annotation], size: Size) -> Annotation | None:
    """The shape that stands for one object; None if its majority covers no pixel."""
    geometry = _geometry([member.geometry for member in members], size)
    if geometry is None:
        return None
    sources = {member.prelabel_id for member in members}
    (source,) = sources if len(sources) == 1 else (None,)
    untouched = source is not None and all(m.origin == "confirmed" for m in members)
    origin = "drawn" if source is None else "confirmed" if untouched else "edited"
    return Annotation(
        id="m",
        class_name=members[0].class_name,
        geometry=geometry,
        attributes=_attributes([member.attributes for member in members]),
        origin=origin,
        prelabel_id=source,
    )


def _geometry(members: Sequence[Geometry], size: Size) -> Geometry | None:
    first = members[0]
    if all(member == first for member in members) or isinstance(first, Classification):
        return first
    if isinstance(first, Point):
        x, y = _mean([member.at for member in members if isinstance(member, Point)])
        return Point(at=(x, y))
    if isinstance(first, Polyline):
        return _most_alike(members, size)
    boxes = [member.corners for member in members if isinstance(member, Box)]
    if len(boxes) == len(members):
        left, top, right, bottom = _mean(boxes)
        return Box(corners=(left, top, right, bottom))
    majority = _majority([masks.rasterise(member, size) for member in members], size)
    if masks.area(majority) == 0:
        return None
    # A class that is drawn as polygons only takes no mask.
    return majority if any(isinstance(m, Mask) for m in members) else outline(majority)


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    mean: list[float] = np.mean(np.asarray(rows), axis=0).tolist()
    return mean


def _majority(members: Sequence[Mask], size: Size) -> Mask:
    """The pixels that more than half of the masks hold, found on their run lengths."""
    pixels = size[0] * size[1]
    change = np.zeros(0, dtype=np.int64)
    at = np.zeros(0, dtype=np.int64)
    for member in members:
        edges = np.cumsum(masks.runs_of(member))
        edges = edges[edges < pixels]
        at = np.concatenate([at, edges])
        change = np.concatenate([change, np.where(np.arange(edges.size) % 2 == 0, 1, -1)])
    places, of_place = np.unique(at, return_inverse=True)
    held = np.cumsum(np.bincount(of_place, weights=change, minlength=places.size))
    inside = 2 * held > len(members)
    turns = places[np.flatnonzero(np.diff(inside, prepend=False))]
    runs = np.diff(turns, prepend=0, append=pixels).astype(np.int64)
    return masks.from_runs(runs, size)


def _most_alike(members: Sequence[Geometry], size: Size) -> Geometry:
    overlaps = pairwise_iou(members, members, size)
    return members[int(overlaps.sum(axis=1).argmax())]


def _attributes(members: Sequence[Mapping[str, AttributeValue]]) -> dict[str, AttributeValue]:
    stated = Counter(name for member in members for name in member)
    return {
        name: _commonest([_tagged(member[name]) for member in members if name in member])[1]
        for name in sorted(stated)
        if 2 * stated[name] > len(members)
    }


def _tagged(value: AttributeValue) -> tuple[str, AttributeValue]:
    """A value that is equal only to its own kind: ``True`` is not ``1``."""
    return type(value).__name__, value


def _commonest(values: Sequence[T]) -> T:
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], repr(value)))


def _content(shape: Annotation) -> str:
    """Orders shapes by what they say, whatever their ids."""
    return json.dumps(
        shape.model_dump(mode="json", exclude={"id"}), sort_keys=True, separators=(",", ":")
    )


def _contents(label: Sequence[Annotation]) -> list[str]:
    return [_content(shape) for shape in label]
