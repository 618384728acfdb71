"""Folders of images with truth: COCO annotations, ``images/``, and optionally ``nir/``."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wakeline_geometry import coco, masks
from wakeline_geometry.shapes import Shape


class FolderError(Exception):
    """The folder cannot be used; the message says what is missing."""


@dataclass(frozen=True)
class TrueImage:
    """One image with what is really on it."""

    path: Path
    nir: Path | None
    digest: str
    """SHA-256 of the image's bytes: how a leased asset is recognised."""
    width: int
    height: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Folder:
    """A data set with truth."""

    path: Path
    name: str
    classes: tuple[str, ...]
    kind: str
    """``mask`` or ``box``: the geometry of its truth."""
    plants: bool
    """Its classes are plants, so vegetation can be told by NDVI."""
    images: tuple[TrueImage, ...]

    @property
    def has_nir(self) -> bool:
        """Whether every image has a near-infrared band."""
        return all(image.nir is not None for image in self.images)


def read(path: Path) -> Folder:
    """Read a folder.

    Raises
    ------
    FolderError
        If ``annotations.json`` or an image it names is missing or unreadable.
    """
    try:
        document = json.loads((path / "annotations.json").read_text())
        names = coco.class_names(document["categories"])
        images = tuple(_images(path, document))
    except (OSError, KeyError, ValueError) as error:
        raise FolderError(
            f"{path} is no folder of images with truth: it needs annotations.json (COCO) and "
            f"images/ ({error})"
        ) from error
    kinds = {shape.geometry.kind for image in images for shape in image.shapes}
    kind = "box" if kinds == {"box"} else "mask"
    if kind == "mask":
        images = tuple(_as_masks(image) for image in images)
    used = {shape.class_name for image in images for shape in image.shapes}
    return Folder(
        path=path,
        name=path.name.replace("_", "-").lower(),
        classes=tuple(name for name in names.values() if name in used),
        kind=kind,
        plants=any(c.get("supercategory") == "plant" for c in document["categories"]),
        images=images,
    )


def _images(path: Path, document: dict[str, list[dict[str, object]]]) -> Iterator[TrueImage]:
    for image, shapes in coco.read(document):
        file = path / "images" / str(image["file_name"])
        nir = path / str(image["nir_file"]) if "nir_file" in image else None
        yield TrueImage(
            path=file,
            nir=nir,
            digest=hashlib.sha256(file.read_bytes()).hexdigest(),
            width=int(str(image["width"])),
            height=int(str(image["height"])),
            shapes=tuple(
                shape.model_copy(update={"attributes": {}})
                for shape in shapes
                if not shape.attributes.get("iscrowd")
            ),
        )


def _as_masks(image: TrueImage) -> TrueImage:
    """An image whose objects are all drawn in one way: as masks."""
    size = (image.height, image.width)
    shapes = (
        shape.model_copy(update={"geometry": masks.rasterise(shape.geometry, size)})
        for shape in image.shapes
    )
    return replace(image, shapes=tuple(shapes))
