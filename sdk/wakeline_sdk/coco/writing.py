"""A COCO file written as a stream: memory does not grow with the number of images."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

from wakeline_sdk.coco.conversion import Json, annotation_to_coco
from wakeline_sdk.shapes import Shape

_PAGE = 1_024


class Numbering:
    """Which ids are taken; about a bit each where they are dense, as COCO's are."""

    def __init__(self, highest: int = 0) -> None:
        self._highest = highest
        self._pages: dict[int, int] = {}

    def take(self, wanted: int | None) -> int:
        """The wanted id if it is positive and free, else the next one above all before."""
        number = wanted if wanted and wanted > 0 and not self._taken(wanted) else self._highest + 1
        self._highest = max(self._highest, number)
        page, place = divmod(number, _PAGE)
        self._pages[page] = self._pages.get(page, 0) | 1 << place
        return number

    def _taken(self, number: int) -> bool:
        page, place = divmod(number, _PAGE)
        return bool(self._pages.get(page, 0) >> place & 1)


class CocoWriter:
    """Writes one COCO file; it is there, whole, when the block ends without an error.

    A shape whose id is a number that is still free keeps it, so that an imported file keeps its
    ids; others get the next number above all before.
    """

    def __init__(
        self,
        path: Path,
        categories: Sequence[Json],
        *,
        info: Json | None = None,
        licenses: Sequence[Json] = (),
        compressed: bool = False,
    ) -> None:
        self.images = 0
        self.annotations = 0
        self.left_out: dict[str, int] = {}
        """What COCO cannot hold, in words -> how often."""
        self._path = path
        self._head = {"info": dict(info or {}), "licenses": list(licenses)}
        self._categories = list(categories)
        self._category_ids = {str(one["name"]): int(one["id"]) for one in categories}
        self._compressed = compressed
        self._ids = Numbering()

    def __enter__(self) -> "CocoWriter":
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._file = self._part.open("w", encoding="utf-8")
        self._spool = TemporaryFile("w+", encoding="utf-8", dir=self._path.parent)
        head = json.dumps(self._head, ensure_ascii=False)
        self._file.write(f'{head[:-1]}, "images": [')
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file, self._spool:
            if error is None:
                self._finish()
        if error is None:
            self._part.replace(self._path)
        else:
            self._part.unlink()

    def add(self, image: Mapping[str, Any], shapes: Sequence[Shape]) -> None:
        """Write one image (``id``, ``width`` and ``height`` are read) with its shapes."""
        _append(self._file, self.images, image)
        self.images += 1
        for shape in shapes:
            if shape.class_name not in self._category_ids:
                self._lose(f"class {shape.class_name!r} has no category")
                continue
            if shape.geometry.kind not in ("box", "polygon", "mask"):
                self._lose(f"COCO cannot hold a {shape.geometry.kind}")
                continue
            wanted = int(shape.id) if shape.id.isascii() and shape.id.isdecimal() else None
            annotation = annotation_to_coco(
                shape,
                annotation_id=self._ids.take(wanted),
                image_id=image["id"],
                category_ids=self._category_ids,
                size=(image["height"], image["width"]),
                compressed=self._compressed,
            )
            _append(self._spool, self.annotations, annotation)
            self.annotations += 1

    def _lose(self, what: str) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + 1

    def _finish(self) -> None:
        self._file.write('],\n"annotations": [')
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, self._file)
        categories = json.dumps(self._categories, ensure_ascii=False)
        self._file.write(f'],\n"categories": {categories}}}\n')


def _append(file: IO[str], before: int, value: Mapping[str, Any]) -> None:
    separator = ",\n" if before else "\n"
    file.write(separator + json.dumps(value, ensure_ascii=False))
