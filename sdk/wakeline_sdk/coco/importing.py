"""Files of shapes as pairs of asset id and shapes, with what could not be used and why."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import TypeAdapter

from wakeline_sdk.coco.conversion import (
    class_names,
    predicted_from_coco,
    shape_from_coco,
    unsupported_keys,
)
from wakeline_sdk.coco.joining import Join, Known
from wakeline_sdk.ontology import Fitting
from wakeline_sdk.runs import Size
from wakeline_sdk.shapes import Annotation, Predicted, Shape

S = TypeVar("S", bound=Shape)


class Imported(ABC, Generic[S]):
    """Pairs of asset id and shapes of every image of a COCO file; that one has none says something.

    Parameters
    ----------
    join
        Has read the COCO file and all assets that it may be about.
    """

    def __init__(self, join: Join, fitting: Fitting) -> None:
        self.refused: dict[str, str] = {}
        """Image -> why it cannot be used."""
        self.empty = 0
        """Images without any shape."""
        self._join = join
        self._fitting = fitting
        self._names = class_names(join.categories)

    def __iter__(self) -> Iterator[tuple[str, Sequence[S]]]:
        if orphans := self._join.orphans():
            self.refused["images that no file describes"] = (
                f"{orphans} annotations are of them: give the COCO file with all images"
            )
        for found in self._join.matched():
            name = str(found.image.get("file_name") or found.image["id"])
            if found.asset is None:
                self.refused[name] = found.problem or "it has no asset"
                continue
            try:
                shapes = list(self._shapes(found.annotations, found.asset))
            except ValueError as error:
                self.refused[name] = str(error)
                continue
            self.empty += not shapes
            yield found.asset.asset_id, shapes

    def _shapes(self, entries: list[dict[str, Any]], asset: Known) -> Iterator[S]:
        for number, entry in enumerate(entries, start=1):
            for key in unsupported_keys(entry):
                self._fitting.lose(f"{key}, which a shape cannot hold")
            shape = self._fitting.fit(self._shape(entry, number, (asset.height, asset.width)))
            if shape is not None:
                yield shape

    @abstractmethod
    def _shape(self, entry: dict[str, Any], number: int, size: Size) -> S: ...


class Truth(Imported[Annotation]):
    """The annotations of every image; that an image has none is true as well."""

    def _shape(self, entry: dict[str, Any], number: int, size: Size) -> Annotation:
        shape = shape_from_coco(entry, self._names, size)
        return Annotation.model_validate(shape.model_dump())


class Proposals(Imported[Predicted]):
    """The predicted shapes of every image: COCO results, or annotations.

    Results have no entry for an image on which nothing was found. It is told apart from one that
    was not looked at by its being listed, and an earlier version's shapes must not stand for it.
    """

    def _shape(self, entry: dict[str, Any], number: int, size: Size) -> Predicted:
        return predicted_from_coco(entry, str(entry.get("id", number)), self._names, size)


class JsonLines(ABC, Generic[S]):
    """Shapes as JSON lines, each of one image by its id, its digest or its file's name.

    ``{"asset_id" | "digest" | "file_name": ..., "shapes": [...]}``
    """

    adapter: ClassVar[TypeAdapter[Any]]

    def __init__(self, path: Path, join: Join, dataset_ids: Iterable[str]) -> None:
        self.refused: dict[str, str] = {}
        """Line -> why it cannot be used."""
        self.empty = 0
        """Images without any shape."""
        self._path = path
        self._join = join
        self._dataset_ids = tuple(dataset_ids)

    def __iter__(self) -> Iterator[tuple[str, Sequence[S]]]:
        for number, line in _lines(self._path):
            try:
                entry = json.loads(line)
                if not isinstance(entry, dict) or "shapes" not in entry:
                    raise ValueError("it is no object with shapes")
                asset_id = self._asset_id(entry)
                shapes: Sequence[S] = self.adapter.validate_python(_numbered(entry["shapes"]))
            except ValueError as error:
                self.refused[f"line {number}"] = _in_words(error)
                continue
            self.empty += not shapes
            yield asset_id, shapes

    def _asset_id(self, entry: dict[str, Any]) -> str:
        if isinstance(entry.get("asset_id"), str):
            return str(entry["asset_id"])
        if isinstance(entry.get("digest"), str):
            for dataset_id in self._dataset_ids:
                if self._join.has_asset(f"{dataset_id}:{entry['digest']}"):
                    return f"{dataset_id}:{entry['digest']}"
            raise ValueError(f"no asset has the digest {entry['digest']}")
        if isinstance(entry.get("file_name"), str):
            asset, problem = self._join.asset_named(entry["file_name"])
            if asset is None:
                raise ValueError(problem)
            return asset.asset_id
        raise ValueError("it names no image by asset_id, digest or file_name")


class Lines(JsonLines[Predicted]):
    """Predictions as JSON lines."""

    adapter = TypeAdapter(tuple[Predicted, ...])


class LabelLines(JsonLines[Annotation]):
    """Labels as JSON lines."""

    adapter = TypeAdapter(tuple[Annotation, ...])


def names_assets_otherwise(path: Path) -> bool:
    """Whether a line of a file of predictions names its asset by anything but its id."""
    return any('"asset_id"' not in line for _, line in _lines(path))


def is_json_lines(path: Path) -> bool:
    """Whether a file holds JSON lines of predictions, and not one JSON value."""
    first = next(_lines(path), (0, ""))[1]
    try:
        value = json.loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and "shapes" in value


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _numbered(shapes: Any) -> Any:
    """Shapes with ids: a model need not think of any."""
    if not isinstance(shapes, list):
        raise ValueError("its shapes are no list")
    return [
        {"id": str(number), **shape} if isinstance(shape, dict) else shape
        for number, shape in enumerate(shapes, start=1)
    ]


def _in_words(error: ValueError) -> str:
    return " ".join(str(error).split())[:300]
