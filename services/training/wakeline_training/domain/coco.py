"""A dataset version as one COCO file, made line by line from its manifest.

The same version gives the same bytes: images are numbered by their line, annotations in the order
of the lines, and categories by the ontology that was frozen with the version.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from wakeline_geometry.coco import wire_to_coco
from wakeline_training.domain.manifest import Split
from wakeline_training.domain.models import DatasetVersion

HOLDABLE = frozenset({"box", "polygon", "mask"})
"""The kinds of geometry that COCO has."""


class CocoExport:
    """Writes one export: the head, every line twice (images, then annotations), and the end.

    Parameters
    ----------
    split : None for both
    compressed : whether masks are text (shorter) or lists of run lengths (as COCO's own files)
    """

    def __init__(
        self, version: DatasetVersion, *, split: Split | None = None, compressed: bool = False
    ) -> None:
        self._version = version
        self._split = split
        self._compressed = compressed
        self._images = _Array()
        self._annotations = _Array()
        self._line = 0
        self._classes = list(version.classes)
        self._left_out: Counter[str] = Counter()

    def head(self) -> bytes:
        """All that stands before the images."""
        version = self._version
        info = {
            "description": f"dataset version of {version.stage_id}",
            "version": version.dataset_version,
            "date_created": version.created_at.isoformat(timespec="seconds"),
        }
        return b'{"info": ' + orjson.dumps(info) + b', "licenses": [],\n"images": ['

    def images(self, lines: Iterable[bytes]) -> bytes:
        """The images of the manifest's next lines."""
        found = []
        for row in map(orjson.loads, lines):
            self._line += 1
            if self._wants(row):
                found.append(_image(row, self._line))
            if not self._version.classes:  # frozen before versions kept their classes
                known = {shape["class_name"] for shape in row["annotations"]}
                self._classes = sorted(known.union(self._classes))
        return self._images.render(found)

    def between(self) -> bytes:
        """All that stands between images and annotations; the lines begin again."""
        self._line = 0
        self._ids = {name: number for number, name in enumerate(self._classes, start=1)}
        return b'],\n"annotations": ['

    def annotations(self, lines: Iterable[bytes]) -> bytes:
        """The annotations of the manifest's next lines."""
        found: list[Mapping[str, Any]] = []
        for row in map(orjson.loads, lines):
            self._line += 1
            if not self._wants(row):
                continue
            size = (row["height"], row["width"])
            for shape in row["annotations"]:
                kind = shape["geometry"]["kind"]
                if kind not in HOLDABLE or shape["class_name"] not in self._ids:
                    self._left_out[kind] += 1
                    continue
                found.append(
                    wire_to_coco(
                        shape,
                        annotation_id=self._annotations.count + len(found) + 1,
                        image_id=self._line,
                        category_ids=self._ids,
                        size=size,
                        compressed=self._compressed,
                    )
                )
        return self._annotations.render(found)

    def end(self) -> bytes:
        """All that stands behind the annotations."""
        categories = [
            {"id": number, "name": name, "supercategory": name}
            for name, number in self._ids.items()
        ]
        summary = {
            "images": self._images.count,
            "annotations": self._annotations.count,
            "left_out": dict(sorted(self._left_out.items())),
        }
        parts = (b'],\n"categories": ', orjson.dumps(categories), b',\n"wakeline": ')
        return b"".join((*parts, orjson.dumps(summary), b"}\n"))

    def _wants(self, row: Mapping[str, Any]) -> bool:
        return self._split is None or row["split"] == self._split


class _Array:
    """A JSON array that is written piece by piece, one element a line."""

    def __init__(self) -> None:
        self.count = 0

    def render(self, elements: Sequence[Mapping[str, Any]]) -> bytes:
        if not elements:
            return b""
        before = b",\n" if self.count else b"\n"
        self.count += len(elements)
        return before + b",\n".join(map(orjson.dumps, elements))


def _image(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": row["image"].split("/", 3)[3],
        "width": row["width"],
        "height": row["height"],
        "coco_url": row["image"],
        "asset_id": row["asset_id"],
        "split": row["split"],
        **({"focus_regions": row["focus_regions"]} if "focus_regions" in row else {}),
    }
