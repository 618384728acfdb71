"""What a person did with the pre-label they were shown: the product's measure of saved work."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wakeline_geometry import masks
from wakeline_geometry.overlap import shape_iou
from wakeline_geometry.shapes import (
    Annotation,
    Box,
    Geometry,
    Mask,
    Origin,
    Point,
    Polygon,
    Polyline,
    Shape,
)

SAME_WITHIN = 1e-3
"""Pixels up to which two coordinates are the same: what an editor may lose by rounding."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One shown shape that came back changed."""

    annotation_id: str
    prelabel_id: str
    iou: float
    """Overlap of the shown and the submitted geometry, in [0, 1]; 1 if only words changed."""
    class_changed: bool
    attributes_changed: bool


@dataclass(frozen=True, slots=True)
class Effort:
    """A submitted label, held against the pre-label that its lease had pinned."""

    annotations: tuple[Annotation, ...]
    """As submitted, in the same order, but with the origin that was found here."""
    confirmed: int
    """Annotations taken over as they were shown."""
    drawn: int
    """Annotations that come from no shown shape."""
    edits: tuple[Edit, ...]
    """One for each annotation that changes a shown shape, in the order of the annotations."""
    removed: tuple[str, ...]
    """Ids of the shown shapes that no annotation names, in the order shown."""

    @property
    def edited(self) -> int:
        """Annotations that change a shown shape."""
        return len(self.edits)


def measure(shown: Sequence[Shape], submitted: Sequence[Annotation], size: masks.Size) -> Effort:
    """Compare what was submitted with what was shown; what the client says of origin is ignored.

    An annotation that names a shown shape is ``confirmed`` if geometry (to ``SAME_WITHIN``
    pixels), class and attributes are the same, else ``edited``; one that names none is
    ``drawn``. Shown shapes that nothing names were removed.

    Parameters
    ----------
    shown
        The shapes of the pinned pre-label; none for a task of the control arm.
    size
        ``(height, width)`` of the asset in pixels.

    Raises
    ------
    ValueError
        If an annotation names a shape that was not shown, two name the same one, two ids are
        equal, or a mask is not of the asset's size.
    """
    _check_ids("the pre-label", shown)
    _check_ids("the label", submitted)
    by_id = {shape.id: shape for shape in shown}
    used: dict[str, str] = {}
    annotations: list[Annotation] = []
    edits: list[Edit] = []
    for annotation in submitted:
        origin: Origin = "drawn"
        if annotation.prelabel_id is not None:
            source = _claim(annotation, annotation.prelabel_id, by_id, used)
            edit = _edit_of(source, annotation, size)
            origin = "edited" if edit else "confirmed"
            edits += [edit] if edit else []
        annotations.append(annotation.model_copy(update={"origin": origin}))
    origins = [annotation.origin for annotation in annotations]
    return Effort(
        annotations=tuple(annotations),
        confirmed=origins.count("confirmed"),
        drawn=origins.count("drawn"),
        edits=tuple(edits),
        removed=tuple(shape.id for shape in shown if shape.id not in used),
    )


def same_geometry(a: Geometry, b: Geometry) -> bool:
    """Whether two geometries are the same, point by point or pixel by pixel.

    Coordinates may differ by ``SAME_WITHIN`` pixels. A polygon that begins at another of its
    points, or runs the other way, is another one: editors keep the order of what nobody touched.
    """
    if isinstance(a, Mask) and isinstance(b, Mask):
        return a.size == b.size and np.array_equal(masks.runs_of(a), masks.runs_of(b))
    if a.kind != b.kind:
        return False
    rings_a, rings_b = _coordinates(a), _coordinates(b)
    return len(rings_a) == len(rings_b) and all(
        len(left) == len(right)
        and np.allclose(np.array(left), np.array(right), rtol=0, atol=SAME_WITHIN)
        for left, right in zip(rings_a, rings_b, strict=True)
    )


def _claim(
    annotation: Annotation, prelabel_id: str, by_id: dict[str, Shape], used: dict[str, str]
) -> Shape:
    if prelabel_id not in by_id:
        raise ValueError(
            f"annotation {annotation.id} comes from shape {prelabel_id}, which was not shown"
        )
    if prelabel_id in used:
        raise ValueError(
            f"annotations {used[prelabel_id]} and {annotation.id} both come from shape "
            f"{prelabel_id}; a shown shape can become only one annotation"
        )
    used[prelabel_id] = annotation.id
    return by_id[prelabel_id]


def _edit_of(shown: Shape, annotation: Annotation, size: masks.Size) -> Edit | None:
    same = same_geometry(shown.geometry, annotation.geometry)
    class_changed = shown.class_name != annotation.class_name
    attributes_changed = shown.attributes != annotation.attributes
    if same and not class_changed and not attributes_changed:
        return None
    return Edit(
        annotation_id=annotation.id,
        prelabel_id=shown.id,
        iou=1.0 if same else shape_iou(shown.geometry, annotation.geometry, size),
        class_changed=class_changed,
        attributes_changed=attributes_changed,
    )


def _coordinates(geometry: Geometry) -> Sequence[Sequence[float]]:
    if isinstance(geometry, Polygon):
        return geometry.parts
    if isinstance(geometry, Box):
        return [geometry.corners]
    if isinstance(geometry, Point):
        return [geometry.at]
    return [geometry.points] if isinstance(geometry, Polyline) else []


def _check_ids(whose: str, shapes: Sequence[Shape]) -> None:
    seen: set[str] = set()
    for shape in shapes:
        if shape.id in seen:
            raise ValueError(f"{whose} holds two shapes with the id {shape.id}")
        seen.add(shape.id)
