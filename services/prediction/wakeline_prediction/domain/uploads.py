"""What an uploaded prediction must be to be stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from wakeline_events.configuration import Ontology
from wakeline_geometry.bounds import problems_of, problems_of_attributes
from wakeline_geometry.shapes import GeometryKind, Predicted
from wakeline_prediction.domain.mapping import convertible
from wakeline_prediction.domain.records import Size

MAX_SHAPES = 5_000
"""Shapes that one uploaded prediction may have: as many as a label may."""
SHOWN = 10
"""Problems of an item that are listed; a thousand equal ones help nobody."""


class Known(NamedTuple):
    """What uploads are held against, made once for many of them."""

    names: tuple[str, ...]
    """The classes, in the ontology's order."""
    kinds: Mapping[str, tuple[GeometryKind, ...]]
    """How each class may be drawn."""

    @classmethod
    def of(cls, ontology: Ontology) -> "Known":
        """What an ontology allows."""
        kinds = {definition.name: definition.kinds for definition in ontology.classes}
        return cls(tuple(kinds), kinds)


def unknown_classes(shapes: Iterable[Predicted], known: Known) -> list[str]:
    """Classes that the ontology does not have, each once, sorted."""
    return sorted({shape.class_name for shape in shapes}.difference(known.kinds))


def problems_in(shapes: Sequence[Predicted], known: Known, size: Size | None) -> list[str]:
    """Why shapes are no prediction of an asset, in words for people; [] if they are.

    Parameters
    ----------
    size : None where it is not known yet; what does not fit is then dropped when it is
    """
    problems: list[str] = []
    seen: set[str] = set()
    for shape in shapes:
        if shape.id in seen:
            problems.append(f"two shapes have the id {shape.id}")
        seen.add(shape.id)
        allowed = known.kinds[shape.class_name]
        if shape.geometry.kind not in allowed and not any(
            convertible(shape.geometry, kind) for kind in allowed
        ):
            problems.append(
                f"shape {shape.id} is a {shape.geometry.kind}, and {shape.class_name} is drawn "
                f"as {' or '.join(allowed)}"
            )
        if shape.attributes:
            problems += [f"shape {shape.id} {problem}" for problem in problems_of_attributes(shape)]
        if size is not None:
            for problem in problems_of(shape, *size):
                problems.append(f"shape {shape.id} {problem}")
        if len(problems) >= SHOWN:
            break
    return problems[:SHOWN]
