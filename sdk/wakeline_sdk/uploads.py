"""What can be uploaded."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wakeline_sdk.models import FileReport

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
Progress = Callable[[FileReport], None]


@dataclass(frozen=True)
class Upload:
    """One image with what comes along with it."""

    image: Path
    bands: Mapping[str, Path] = field(default_factory=dict)
    """Name of an extra band (``nir``) -> its file."""
    masks: Mapping[str, Path] = field(default_factory=dict)
    group: str | None = None
    """Patient or scene: assets of one group never stand on both sides of a split."""
    parent: str | None = None
    """Asset id of the larger image that this one was cut from."""
    metadata: Mapping[str, Any] | None = None
    """Of an image that is new; what is said of one that is there is changed by an import of
    metadata, and by nothing else."""
    file_name: str | None = None
    """What the image is called; the name of its file if not given."""

    @property
    def files(self) -> dict[str, Path]:
        """Name of each part of the form -> its file."""
        bands = {f"band.{name}": path for name, path in self.bands.items()}
        return {
            "image": self.image,
            **bands,
            **{f"mask.{name}": path for name, path in self.masks.items()},
        }


def images_at(
    paths: Iterable[Path], *, nir: Path | None = None, group_from_folder: bool = False
) -> Iterator[Upload]:
    """The files that are named, and all files below folders that are named like images, in order.

    An image in a folder is called by its path below the folder, so that names stay apart and fit
    the ``file_name`` of a COCO file beside it.

    Parameters
    ----------
    nir
        Folder with the near-infrared bands, which are named like their images up to the suffix;
        nothing below it is an image of its own.
    group_from_folder
        Whether the images of one folder (a patient, a scene) are one group, named by its path.
    """
    companions = _by_stem(nir) if nir is not None else {}
    for path in paths:
        root = path if path.is_dir() else path.parent
        # A single file is taken whatever its name is: the platform says what is wrong with it.
        files = _images_in(path, nir) if path.is_dir() else [path]
        for file in files:
            below = file.relative_to(root)
            band = companions.get(below.with_suffix("")) or companions.get(Path(below.stem))
            yield Upload(
                file,
                bands={"nir": band} if band is not None else {},
                group=_group_of(root, below) if group_from_folder else None,
                file_name=below.as_posix(),
            )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


def _images_in(folder: Path, nir: Path | None) -> Iterator[Path]:
    for path in _below(folder):
        is_band = nir is not None and path.is_relative_to(nir)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not is_band:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    """All that is below a folder, in order; in memory are the names of one folder a depth."""
    with os.scandir(folder) as found:
        names = []
        folders = set()
        for entry in found:
            names.append(entry.name)
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
    names.sort()
    for name in names:
        if name in folders:
            yield from _below(folder / name)
        else:
            yield folder / name


def _by_stem(folder: Path) -> dict[Path, Path]:
    """The files below a folder by their path in it without the suffix."""
    return {
        path.relative_to(folder).with_suffix(""): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    }


def _group_of(folder: Path, below: Path) -> str:
    return (Path(folder.absolute().name) / below.parent).as_posix()
