"""The images of a dataset version as arrays in working pixels, with what is drawn on them.

Arrays lie as files in a scratch folder and are mapped into memory, so that a set larger than the
memory of the machine trains too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wakeline_geometry.average_precision import CROWD
from wakeline_geometry.masks import Size, area, bounding_box, decode, rasterise
from wakeline_geometry.shapes import Annotation, Box, Mask, Polygon
from wakeline_images import UnreadableImageError, read_stack
from wakeline_models.channels import COLOURS, GREY, Stack, brightness, resize, select, standardise
from wakeline_models.errors import ModelError
from wakeline_trainer.contract import Asset, BadInputError
from wakeline_trainer.plan import ObjectFacts
from wakeline_trainer.storage import Storage

MEASURED_OBJECTS = 2_000
"""Objects whose outline is measured for the plan; more would not change it."""

UNSEEN = -1
"""In place of an object's number: nobody looked there, so nothing is to be learned from it."""

AREA_KINDS = (Box, Polygon, Mask)


@dataclass(frozen=True, slots=True)
class Sample:
    """A training image in working pixels."""

    image: NDArray[np.float32]
    """Standardised channels, shape (C, h, w)."""
    coverage: NDArray[np.float32]
    """Share of each pixel that each class covers, shape (K, h, w); masks only."""
    ids: NDArray[np.int32]
    """The object at each pixel, counted from 1, 0 for none, or ``UNSEEN``; shape (h, w)."""
    boxes: NDArray[np.float32]
    """Bounding boxes ``(x_min, y_min, x_max, y_max)``, shape (N, 4)."""
    labels: NDArray[np.int64]
    """Position of each object's class, shape (N,)."""
    looked_at: NDArray[np.float32]
    """Boxes that people looked at: all of the image, or its focus regions, shape (R, 4)."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of the brightness per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_stack(storage: Storage, asset: Asset) -> tuple[Stack, tuple[str, ...]]:
    """Read an asset's image and bands.

    Raises
    ------
    BadInputError
        If one of them is missing, cannot be read, or is not of the size the manifest says.
    """
    try:
        bands = {name: storage.read(uri) for name, uri in asset.bands.items()}
        stack, channels = read_stack(storage.read(asset.image), bands)
    except FileNotFoundError as error:
        raise BadInputError(f"Asset {asset.asset_id}: nothing is at {error}") from error
    except UnreadableImageError as error:
        raise BadInputError(f"Asset {asset.asset_id}: {error.message}") from error
    if stack.shape[:2] != asset.size:
        raise BadInputError(
            f"Asset {asset.asset_id} is {stack.shape[1]}x{stack.shape[0]} pixels, "
            f"but the manifest says {asset.width}x{asset.height}"
        )
    return stack, channels


def common_channels(seen: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The channels that every image can give: grey only if all are grey, bands if all have them."""
    sets = [set(channels) for channels in seen]
    colours = (GREY,) if all(GREY in channels for channels in sets) else COLOURS
    bands = set.intersection(*sets) - {GREY, *COLOURS}
    return (*colours, *sorted(bands))


def statistics(stacks: Iterable[Stack]) -> Statistics:
    """Mean and spread of each channel's brightness over stacks of the same channels."""
    count, total, squares = 0, np.float64(0), np.float64(0)
    for stack in stacks:
        pixels = brightness(stack).reshape(-1, stack.shape[2]).astype(np.float64)
        count += len(pixels)
        total, squares = total + pixels.sum(axis=0), squares + (pixels**2).sum(axis=0)
    mean = np.asarray(total / count)
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
    return Statistics(tuple(mean.tolist()), tuple(std.tolist()))


def drawn_objects(asset: Asset, classes: Sequence[str]) -> list[Annotation]:
    """The annotations that a model can learn from: areas, no crowds.

    Raises
    ------
    BadInputError
        If one is of a class that the run does not know.
    """
    drawn = [
        annotation
        for annotation in asset.annotations
        if isinstance(annotation.geometry, AREA_KINDS) and not annotation.attributes.get(CROWD)
    ]
    for annotation in drawn:
        if annotation.class_name not in classes:
            raise BadInputError(
                f"Asset {asset.asset_id} has an annotation of the class "
                f"{annotation.class_name!r}, which is not one of {', '.join(classes)}"
            )
    return drawn


def measure(assets: Sequence[Asset], classes: Sequence[str]) -> list[ObjectFacts]:
    """Measure the objects of a split: all of them, or an even sample of ``MEASURED_OBJECTS``."""
    drawn = [(asset, found) for asset in assets for found in drawn_objects(asset, classes)]
    every = max(1, len(drawn) // MEASURED_OBJECTS)
    return [
        _measured(found, asset.size, classes.index(found.class_name))
        for asset, found in drawn[::every]
    ]


def _measured(annotation: Annotation, size: Size, label: int) -> ObjectFacts:
    if isinstance(annotation.geometry, Box):
        x_min, y_min, x_max, y_max = annotation.geometry.corners
        width, height = x_max - x_min, y_max - y_min
        thickness = 2 * width * height / (width + height)
        return ObjectFacts(label, width, height, width * height, thickness)
    bitmap = decode(rasterise(annotation.geometry, size))
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    if not rows.size:
        return ObjectFacts(label, 1.0, 1.0, 1.0, 1.0)
    height, width = float(np.ptp(rows) + 1), float(np.ptp(columns) + 1)
    covered, outline = float(bitmap.sum()), _outline(bitmap[rows[0] :, columns[0] :])
    return ObjectFacts(label, width, height, covered, 4 * covered / outline)


def _outline(bitmap: NDArray[np.bool_]) -> float:
    """Length of a bitmap's outline: its pixel edges, times pi / 4 as Cauchy's formula has it."""
    padded = np.pad(bitmap, 1)
    return float(sum((np.diff(padded, axis=axis)).sum() for axis in (0, 1)) * np.pi / 4)


def make_sample(
    stack: Stack, asset: Asset, classes: Sequence[str], scale: float, levels: Statistics
) -> Sample:
    """Bring an image and its annotations to working pixels.

    Parameters
    ----------
    stack : float32, shape (H, W, C), in [0, 1]
        With the channels that the model takes.
    """
    drawn = drawn_objects(asset, classes)
    image = standardise(resize(stack, scale), levels.mean, levels.std)
    labels = np.array([classes.index(found.class_name) for found in drawn], dtype=np.int64)
    ids = paint(drawn, asset.size)
    at = np.array([0, *(labels + 1)])[ids]
    planes = [(at == label + 1).astype(np.float32) for label in range(len(classes))]
    height, width = image.shape[1:]
    boxes = _bounding_boxes(drawn, asset.size)
    if asset.focus_regions:
        hide_unseen(ids, [*asset.focus_regions, *boxes.tolist()])
    ratios = _ratios(asset.size, (height, width))
    regions = np.array(asset.focus_regions, dtype=np.float32).reshape(-1, 4) * ratios
    everything = np.array([[0, 0, width, height]], dtype=np.float32)
    return Sample(
        image=image,
        coverage=np.moveaxis(resize(np.stack(planes, axis=2), scale), 2, 0),
        ids=np.asarray(
            cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.int32
        ),
        boxes=boxes * ratios,
        labels=labels,
        looked_at=regions if len(regions) else everything,
    )


def paint(drawn: Sequence[Annotation], size: Size) -> NDArray[np.int32]:
    """Number the pixels of each object, counted from 1, the small ones over the large ones.

    Returns
    -------
    int32, shape (H, W)
        0 where nothing is drawn.
    """
    ids = np.zeros(size, np.int32)
    masks = [rasterise(found.geometry, size) for found in drawn]
    for i in sorted(range(len(masks)), key=lambda i: -area(masks[i])):
        ids[decode(masks[i])] = i + 1  # one bitmap in memory at a time
    return ids


def hide_unseen(ids: NDArray[np.int32], regions: Sequence[Sequence[float]]) -> None:
    """Say ``UNSEEN`` where no object is and no region reaches, in place.

    Parameters
    ----------
    ids : int32, shape (H, W)
        As ``paint`` makes them.
    regions
        ``(x_min, y_min, x_max, y_max)`` of what was looked at, in pixels.
    """
    unseen = np.ones(ids.shape, bool)
    for region in regions:
        (left, top), (right, bottom) = np.floor(region[:2]), np.ceil(region[2:])
        unseen[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)] = False
    ids[unseen & (ids == 0)] = UNSEEN


def on_disk(samples: Iterable[Sample], folder: Path) -> Iterator[Sample]:
    """Move the large arrays of samples to files, one sample in memory at a time."""
    for number, sample in enumerate(samples):
        mapped = {}
        for name in ("image", "coverage", "ids"):
            path = folder / f"{number}-{name}.npy"
            np.save(path, getattr(sample, name))
            mapped[name] = np.load(path, mmap_mode="r")
        yield replace(sample, **mapped)


def in_channels(storage: Storage, asset: Asset, want: tuple[str, ...]) -> Stack:
    """The wanted channels of an asset; the errors of ``load_stack``, and if it lacks one."""
    stack, have = load_stack(storage, asset)
    try:
        return select(stack, have, want)
    except ModelError as error:
        raise BadInputError(f"Asset {asset.asset_id}: {error.message}") from error


def _bounding_boxes(drawn: Sequence[Annotation], size: Size) -> NDArray[np.float32]:
    corners = []
    for found in drawn:
        box = (
            found.geometry
            if isinstance(found.geometry, Box)
            else bounding_box(rasterise(found.geometry, size))
        )
        corners.append(box.corners if box is not None else (0.0, 0.0, 0.0, 0.0))
    return np.array(corners, dtype=np.float32).reshape(-1, 4)


def _ratios(size: Size, working: Size) -> NDArray[np.float32]:
    ratios = [after / before for before, after in zip(size, working, strict=True)]
    return np.array([*reversed(ratios), *reversed(ratios)], dtype=np.float32)
