"""Shapes from elsewhere made to fit a project's ontology, and what that costs in words."""

from collections.abc import Mapping
from typing import Any, TypeVar

from wakeline_sdk import runs as rle
from wakeline_sdk.shapes import Box, Geometry, Mask, Polygon, Shape

S = TypeVar("S", bound=Shape)


class Fitting:
    """Fits shapes to an ontology and counts what had to be left out."""

    def __init__(self, ontology: Mapping[str, Any]) -> None:
        self._classes = {str(one["name"]): one for one in ontology["classes"]}
        self.left_out: dict[str, int] = {}
        """What the ontology cannot hold, in words -> how often."""

    def fit(self, shape: S) -> S | None:
        """The shape as the ontology can hold it; None if it cannot.

        Where a class is drawn as boxes only, an outline is kept as its box.
        """
        name = shape.class_name
        if name not in self._classes:
            self.lose(f"class {name!r}, which is not in the ontology")
            return None
        kinds, kind = self._classes[name]["kinds"], shape.geometry.kind
        geometry: Geometry = shape.geometry
        if kind not in kinds:
            box = _box_of(geometry) if "box" in kinds else None
            if box is None:
                self.lose(f"{kind} of {name!r}, which is drawn as {' or '.join(kinds)}")
                return None
            self.lose(f"{kind} of {name!r}, kept as its box")
            geometry = box
        known = {one["name"] for one in self._classes[name].get("attributes", ())}
        for attribute in shape.attributes.keys() - known:
            self.lose(f"attribute {attribute!r} of {name!r}, which is not in the ontology")
        attributes = {key: value for key, value in shape.attributes.items() if key in known}
        return shape.model_copy(update={"geometry": geometry, "attributes": attributes})

    def lose(self, what: str) -> None:
        """Note that something had to be left out."""
        self.left_out[what] = self.left_out.get(what, 0) + 1


def categories_for(
    ontology: Mapping[str, Any], given: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """COCO categories of an ontology: those that are given, then the classes they lack."""
    names = {str(one["name"]) for one in given}
    highest = max((int(one["id"]) for one in given), default=0)
    missing = [str(one["name"]) for one in ontology["classes"] if one["name"] not in names]
    return [*given, *({"id": highest + i, "name": name} for i, name in enumerate(missing, start=1))]


def _box_of(geometry: Geometry) -> Box | None:
    if isinstance(geometry, Polygon):
        xs = [x for part in geometry.parts for x in part[::2]]
        ys = [y for part in geometry.parts for y in part[1::2]]
        extent: tuple[float, float, float, float] | None = min(xs), min(ys), max(xs), max(ys)
    elif isinstance(geometry, Mask):
        extent = rle.extent(rle.parse(geometry.counts, geometry.size), geometry.size[0])
    else:
        return None
    if extent is None or extent[0] >= extent[2] or extent[1] >= extent[3]:
        return None
    return Box(corners=extent)
