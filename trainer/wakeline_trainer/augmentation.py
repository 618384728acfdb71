"""Random views of training images: cut out, turned, mirrored, zoomed, brightened.

Every random number comes from the generator that is passed in, so that a step can be repeated.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from wakeline_trainer.data import Sample

ON_OBJECT = 0.6
"""Share of views that are cut out around an object: empty views teach less."""

PASTED = 0.5
"""Share of the objects of the other view that are pasted."""

LEAST_VISIBLE = 0.4
"""A box of which less than this share lies in the view is not asked for."""


@dataclass(frozen=True, slots=True)
class Freedom:
    """How far views may differ from what was photographed."""

    zoom: float = 1.25
    """Objects appear up to this much larger or smaller."""
    any_angle: bool = True
    """Turn by any angle; else by quarter turns only, which keep boxes upright."""
    contrast: float = 0.2
    """Standard deviation of the logarithm of the contrast."""
    brightness: float = 0.2
    """Standard deviation of the brightness, in standard deviations of the channels."""
    noise: float = 0.03
    paste: float = 0.0
    """Share of views that get further objects of their image pasted over them; masks only."""


@dataclass(frozen=True, slots=True)
class View:
    """What a training step sees of one image."""

    image: Tensor
    """Shape (C, h, w)."""
    coverage: Tensor
    """Shape (K, h, w)."""
    ids: NDArray[np.int32]
    """Shape (h, w); ``data.UNSEEN`` where nobody looked."""
    boxes: NDArray[np.float32]
    """Shape (N, 4), clipped to the view."""
    labels: NDArray[np.int64]
    """Shape (N,)."""


@dataclass(frozen=True, slots=True)
class Motion:
    """From a view back to its image: ``source = matrix @ (view - middle) + centre``."""

    matrix: NDArray[np.float64]
    """Turn, mirror and zoom; shape (2, 2)."""
    centre: NDArray[np.float64]
    """``(x, y)`` in the image."""
    middle: NDArray[np.float64]
    """``(x, y)`` of the middle of the view."""

    def to_source(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2) of the view as points of the image."""
        return np.asarray((points - self.middle) @ self.matrix.T + self.centre)

    def to_view(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2) of the image as points of the view."""
        return np.asarray((points - self.centre) @ np.linalg.inv(self.matrix).T + self.middle)


def draw_view(
    sample: Sample, shape: tuple[int, int], freedom: Freedom, rng: np.random.Generator
) -> View:
    """Draw a view of ``shape`` (height, width) from a sample."""
    motion = draw_motion(sample, shape, freedom, rng)
    channels = len(sample.image)
    smooth, exact = warp(sample, motion, shape)
    if rng.uniform() < freedom.paste:
        smooth, exact = paste(sample, smooth, exact, shape, freedom, rng)
    boxes, visible = move_boxes(sample.boxes, motion, shape)
    return View(
        image=_recolour(smooth[:channels], freedom, rng),
        coverage=smooth[channels:],
        ids=exact.numpy().astype(np.int32),
        boxes=boxes[visible],
        labels=sample.labels[visible],
    )


def paste(
    sample: Sample,
    smooth: Tensor,
    exact: Tensor,
    shape: tuple[int, int],
    freedom: Freedom,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Put some of the image's objects over a view of it: how to part touching ones is learned
    from few images only if many touch.

    They come from another view of the same image, so that light and focus fit. Source: Ghiasi et
    al., "Simple copy-paste is a strong data augmentation method" (CVPR 2021).

    Parameters
    ----------
    smooth, exact
        As ``warp`` gives them; the arguments stay as they are.
    """
    over, numbers = warp(sample, draw_motion(sample, shape, freedom, rng), shape)
    present = np.unique(numbers.numpy())
    chosen = [number for number in present if number > 0 and rng.uniform() < PASTED]
    where = torch.isin(numbers, torch.tensor(chosen, dtype=numbers.dtype))
    apart = len(sample.labels)  # a pasted object is another one than that which it is a copy of
    return torch.where(where, over, smooth), torch.where(where, numbers + apart, exact)


def draw_motion(
    sample: Sample, shape: tuple[int, int], freedom: Freedom, rng: np.random.Generator
) -> Motion:
    """Draw where a view looks, and how it is turned."""
    zoom = freedom.zoom ** rng.uniform(-1, 1)
    angle = rng.integers(4) * np.pi / 2
    if freedom.any_angle:
        angle += rng.uniform(-np.pi / 4, np.pi / 4)
    cos, sin = np.cos(angle), np.sin(angle)
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    matrix = np.array([[cos, -sin], [sin, cos]]) @ mirror / zoom
    middle = np.array([shape[1], shape[0]]) / 2
    extent = np.array([sample.image.shape[2], sample.image.shape[1]], dtype=np.float64)
    centre = _draw_centre(sample, middle, rng)
    reach = np.abs(matrix) @ middle
    inside = np.clip(centre, np.minimum(reach, extent / 2), np.maximum(extent - reach, extent / 2))
    return Motion(matrix, inside, middle)


def _draw_centre(
    sample: Sample, middle: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    which = rng.integers(len(sample.looked_at))
    low, high = np.asarray(sample.looked_at[which], np.float64).reshape(2, 2)
    anywhere = np.asarray(low + rng.uniform(0, 1, 2) * (high - low))
    aimed, turn = rng.uniform() < ON_OBJECT, rng.uniform()
    if not aimed or not len(sample.labels):
        return anywhere
    # A class first, then one of its objects: a rare class is seen as often as a frequent one.
    present = np.unique(sample.labels)
    label = present[rng.integers(len(present))]
    of_class = np.flatnonzero(sample.labels == label)
    box = sample.boxes[of_class[int(turn * len(of_class))]]
    return np.asarray((box[:2] + box[2:]) / 2 + rng.uniform(-0.5, 0.5, 2) * middle)


def warp(sample: Sample, motion: Motion, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Look at a sample through a motion; 0 outside of it.

    Only the part that the view shows is read, so that a view of a huge image is as cheap as any.

    Returns
    -------
    Tensor, shape (C + K, *shape)
        Image and coverage, interpolated.
    Tensor, shape (*shape)
        Numbers of objects, from the nearest pixel.
    """
    rows, columns = np.indices(shape) + 0.5
    points = motion.to_source(np.stack([columns.ravel(), rows.ravel()], axis=1))
    extent = np.array([sample.image.shape[2], sample.image.shape[1]])
    first = np.clip(np.floor(points.min(axis=0)).astype(int) - 1, 0, extent - 1)
    last = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, first + 1, extent)
    part = np.s_[..., first[1] : last[1], first[0] : last[0]]
    grid = (points - first) * 2 / (last - first) - 1
    at = torch.from_numpy(grid.reshape(1, *shape, 2).astype(np.float32))

    def seen(planes: NDArray[np.float32], mode: str) -> Tensor:
        source = torch.from_numpy(planes)[None]
        return grid_sample(source, at, mode=mode, padding_mode="zeros", align_corners=False)[0]

    planes = np.concatenate([sample.image[part], sample.coverage[part]])
    numbers = np.asarray(sample.ids[part], dtype=np.float32)[None]
    return seen(planes, "bilinear"), seen(numbers, "nearest")[0]


def move_boxes(
    boxes: NDArray[np.float32], motion: Motion, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes as the view shows them, clipped to it, and which of them are visible enough."""
    corners = [motion.to_view(boxes[:, i : i + 2].astype(np.float64)) for i in (0, 2)]
    whole = np.concatenate([np.minimum(*corners), np.maximum(*corners)], axis=1)
    clipped = np.clip(whole, 0, np.tile([shape[1], shape[0]], 2))
    area, seen = (np.prod(part[:, 2:] - part[:, :2], axis=1) for part in (whole, clipped))
    return clipped.astype(np.float32), (seen > 0) & (seen >= LEAST_VISIBLE * area)


def _recolour(image: Tensor, freedom: Freedom, rng: np.random.Generator) -> Tensor:
    channels = image.shape[0]
    contrast = np.exp(
        rng.normal(0, freedom.contrast) + rng.normal(0, freedom.contrast / 4, channels)
    )
    brightness = rng.normal(0, freedom.brightness) + rng.normal(0, freedom.brightness / 4, channels)
    gain, shift = (
        torch.from_numpy(np.asarray(values, np.float32))[:, None, None]
        for values in (contrast, brightness)
    )
    noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32)) * freedom.noise
    return image * gain + shift + noise
