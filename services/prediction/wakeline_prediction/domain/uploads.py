"""What an uploaded prediction must be to be stored."""

from collections.abc import Iterable, Sequence

from wakeline_events.base import Asset
from wakeline_events.configuration import Ontology
from wakeline_geometry.bounds import problems_of
from wakeline_geometry.shapes import Predicted
from wakeline_prediction.domain.mapping import converted

MAX_SHAPES = 5_000
"""Shapes that one uploaded prediction may have: as many as a label may."""
SHOWN = 10
"""Problems of an item that are listed; a thousand equal ones help nobody."""


def unknown_classes(shapes: Iterable[Predicted], ontology: Ontology) -> list[str]:
    """Classes that the ontology does not have, each once, sorted."""
    known = {definition.name for definition in ontology.classes}
    return sorted({shape.class_name for shape in shapes} - known)


def problems_in(shapes: Sequence[Predicted], ontology: Ontology, asset: Asset | None) -> list[str]:
    """Why shapes are no prediction of an asset, in words for people; [] if they are.

    Parameters
    ----------
    asset : None where its size is not known yet; what does not fit is then dropped when it is
    """
    if len(shapes) > MAX_SHAPES:
        return [f"a prediction has at most {MAX_SHAPES} shapes, not {len(shapes)}"]
    kinds = {definition.name: definition.kinds for definition in ontology.classes}
    problems: list[str] = []
    seen: set[str] = set()
    for shape in shapes:
        if shape.id in seen:
            problems.append(f"two shapes have the id {shape.id}")
        seen.add(shape.id)
        allowed = kinds[shape.class_name]
        if shape.geometry.kind not in allowed and all(
            converted(shape.geometry, kind) is None for kind in allowed
        ):
            problems.append(
                f"shape {shape.id} is a {shape.geometry.kind}, and {shape.class_name} is drawn "
                f"as {' or '.join(allowed)}"
            )
        if asset is not None:
            problems += [
                f"shape {shape.id} {problem}"
                for problem in problems_of(shape, asset.width, asset.height)
            ]
        if len(problems) >= SHOWN:
            break
    return problems[:SHOWN]
