"""What people do to a picture before they send it again, seeded."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wakeline_images import read_image

Pixels = NDArray[Any]


def stored(pixels: Pixels, kind: str, **options: Any) -> Pixels:
    stream = io.BytesIO()
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3]
    Image.fromarray(np.ascontiguousarray(flat)).save(stream, kind, **options)
    return read_image(stream.getvalue())


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    return stored(pixels, "JPEG", quality=quality)


def resized(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3]
    size = (round(width * factor), round(height * factor))
    small = np.asarray(Image.fromarray(np.ascontiguousarray(flat)).resize(size, Image.BICUBIC))
    return small.reshape(size[1], size[0], -1)


def cropped(pixels: Pixels, area: float, seed: int) -> Pixels:
    random = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    tall = min(1.0, area**0.5 * float(np.exp(random.uniform(-0.2, 0.2))))
    rows, columns = round(height * tall), round(width * min(1.0, area / tall))
    y = random.integers(0, height - rows + 1)
    x = random.integers(0, width - columns + 1)
    return pixels[y : y + rows, x : x + columns]


def changes(seed: int) -> dict[str, Callable[[Pixels], Pixels]]:
    """Re-encoded, resized, cropped, turned and mirrored copies, by name."""
    return {
        "png": lambda p: stored(p, "PNG"),
        "jpeg 40": lambda p: jpeg(p, 40),
        "jpeg 95": lambda p: jpeg(p, 95),
        "0.4 x": lambda p: resized(p, 0.4),
        "2 x": lambda p: resized(p, 2.0),
        "0.6 x, jpeg 60": lambda p: jpeg(resized(p, 0.6), 60),
        "crop 75 %": lambda p: cropped(p, 0.75, seed),
        "crop 50 %": lambda p: cropped(p, 0.5, seed),
        "crop 35 %": lambda p: cropped(p, 0.35, seed),
        "crop 35 %, 1.5 x, jpeg 70": lambda p: jpeg(resized(cropped(p, 0.35, seed), 1.5), 70),
        "crop 50 %, 0.6 x, jpeg 60": lambda p: jpeg(resized(cropped(p, 0.5, seed), 0.6), 60),
        "quarter turn": lambda p: np.rot90(p),
        "mirrored": lambda p: p[:, ::-1],
        "crop 50 %, mirrored": lambda p: cropped(p, 0.5, seed)[:, ::-1],
    }
