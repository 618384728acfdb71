"""From what a predictor says to what a stage's ontology can show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from wakeline_events.configuration import ClassDefinition, Ontology
from wakeline_geometry import bounds, masks
from wakeline_geometry.outlines import outline
from wakeline_geometry.shapes import (
    Box,
    Geometry,
    GeometryKind,
    Mask,
    Point,
    Polygon,
    Predicted,
    Region,
)
from wakeline_prediction.domain.errors import CannotAnswerError, PredictorRefusedError

DRAWABLE: tuple[GeometryKind, ...] = ("mask", "box", "polygon", "point")
"""Kinds that a found object can be turned into."""
Dropped = Literal["unmapped-class", "unknown-class", "wrong-kind", "off-image", "off-focus"]


class ClassAndKind(NamedTuple):
    """What the shapes of a predictor without classes of its own become."""

    class_name: str
    kind: GeometryKind


class Fitted(NamedTuple):
    """The shapes that can be shown, and why others cannot."""

    shapes: tuple[Predicted, ...]
    dropped: Counter[Dropped]


def class_for(
    ontology: Ontology, class_name: str | None = None, kind: GeometryKind | None = None
) -> ClassAndKind:
    """The class and kind that objects without a class get.

    Parameters
    ----------
    class_name : None: the first class that takes ``kind``
    kind : None: the first of the class's kinds that an object can be turned into

    Raises
    ------
    PredictorRefusedError
        ``invalid-parameters`` if the ontology has no such class, or it does not take ``kind``.
    CannotAnswerError
        ``no-class`` if no class takes anything that can be drawn.
    """
    usable = [
        ClassAndKind(definition.name, each)
        for definition in ontology.classes
        if class_name in (None, definition.name)
        for each in definition.kinds
        if each in DRAWABLE and kind in (None, each)
    ]
    if usable:
        return usable[0]
    if class_name is not None or kind is not None:
        wanted = " of kind ".join(part for part in (class_name or "any class", kind) if part)
        raise PredictorRefusedError("invalid-parameters", f"the ontology has no {wanted}")
    raise CannotAnswerError("no-class", "no class of the ontology is drawn as an area or a point")


def converted(geometry: Geometry, kind: GeometryKind) -> Geometry | None:
    """A geometry in another kind; None where that would say more than is known.

    A mask becomes its outline, its box, or the middle of its pixels; a polygon its box or middle;
    a box its middle. Nothing becomes finer than it was.
    """
    if geometry.kind == kind:
        return geometry
    if kind == "polygon" and isinstance(geometry, Mask):
        return outline(geometry)
    if not isinstance(geometry, Mask | Polygon | Box):
        return None
    if kind == "point" and isinstance(geometry, Mask):
        return _middle(geometry)
    extent = bounds.extent(geometry)
    if extent is None or kind not in ("box", "point"):
        return None
    x_min, y_min, x_max, y_max = extent
    if kind == "point":
        return Point(at=((x_min + x_max) / 2, (y_min + y_max) / 2))
    return Box(corners=extent) if x_max > x_min and y_max > y_min else None


def convertible(geometry: Geometry, kind: GeometryKind) -> bool:
    """Whether ``converted`` has an answer, without drawing a mask that a few bytes may claim."""
    if isinstance(geometry, Mask) and geometry.kind != kind and kind in DRAWABLE:
        return bounds.area(geometry) > 0
    return converted(geometry, kind) is not None


def translated(shapes: Sequence[Predicted], classes: Mapping[str, str]) -> Fitted:
    """Shapes of a model of other classes, under ours; what ``classes`` does not name is dropped.

    Parameters
    ----------
    classes : its class -> ours; empty where the names are the same
    """
    if not classes:
        return Fitted(tuple(shapes), Counter())
    kept = tuple(
        shape.model_copy(update={"class_name": classes[shape.class_name], "attributes": {}})
        for shape in shapes
        if shape.class_name in classes
    )
    return Fitted(kept, Counter({"unmapped-class": len(shapes) - len(kept)}))


def fit(
    shapes: Sequence[Predicted],
    ontology: Ontology,
    *,
    width: int,
    height: int,
    regions: Sequence[Region] = (),
) -> Fitted:
    """Keep what the ontology, the image and the task's focus regions allow, in its order.

    A shape of a kind that its class is not drawn with is converted, if that loses only detail.

    Parameters
    ----------
    width, height
        Of the upright image in pixels.
    regions
        Only shapes that reach into one of them are kept; none: all.
    """
    classes = {definition.name: definition for definition in ontology.classes}
    kept: list[Predicted] = []
    dropped: Counter[Dropped] = Counter()
    for shape in shapes:
        definition = classes.get(shape.class_name)
        if definition is None:
            dropped["unknown-class"] += 1
            continue
        if isinstance(shape.geometry, Mask) and shape.geometry.size != (height, width):
            dropped["off-image"] += 1  # before it is drawn: a few bytes may claim any size
            continue
        geometry = _allowed(shape.geometry, definition)
        if geometry is None:
            dropped["wrong-kind"] += 1
            continue
        clipped = bounds.clip(geometry, width, height)
        fitting = None if clipped is None else _shown(shape, clipped, definition)
        if fitting is None or bounds.problems_of(fitting, width, height):
            dropped["off-image"] += 1
        elif not bounds.in_focus(fitting.geometry, regions):
            dropped["off-focus"] += 1
        else:
            kept.append(fitting)
    return Fitted(tuple(kept), dropped)


def _shown(shape: Predicted, geometry: Geometry, definition: ClassDefinition) -> Predicted:
    """The shape with this geometry, without attributes that a label of its class must not have."""
    known = {attribute.name for attribute in definition.attributes}
    attributes = {name: value for name, value in shape.attributes.items() if name in known}
    return shape.model_copy(update={"geometry": geometry, "attributes": attributes})


def _allowed(geometry: Geometry, definition: ClassDefinition) -> Geometry | None:
    if geometry.kind in definition.kinds:
        return geometry
    attempts = (converted(geometry, kind) for kind in definition.kinds)
    return next((attempt for attempt in attempts if attempt is not None), None)


def _middle(mask: Mask) -> Point | None:
    """The pixel of a mask that half of its pixels lie before, in COCO's order: always inside."""
    height, _ = mask.size
    runs = masks.runs_of(mask)
    covered = runs[1::2]
    if not covered.size:
        return None
    half = int(covered.sum()) // 2
    passed = 0
    for index, length in enumerate(covered.tolist()):
        if passed + length > half:
            position = int(runs[: 2 * index + 1].sum()) + half - passed
            return Point(at=(position // height + 0.5, position % height + 0.5))
        passed += length
    return None
