"""Makes synthetic field scenes: crops in rows, weeds between them, red and NIR, exact truth.

Plainly synthetic: leaves are ellipses around a stem, soil is smoothed noise. What is real about
it is the task: vegetation is easy to see by NDVI, crop and weed differ only in form.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from wakeline_geometry import masks

Array = NDArray[np.float64]
WIDTH, HEIGHT = 320, 240
CATEGORIES = [
    {"id": 1, "name": "crop", "supercategory": "plant"},
    {"id": 2, "name": "weed", "supercategory": "plant"},
]


def write(folder: Path, count: int, seed: int) -> None:
    """Write a folder of scenes; the same seed gives the same bytes.

    Layout: ``images/*.png`` (RGB), ``nir/*.png`` (8 bit), ``annotations.json`` (COCO, RLE masks).
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "nir").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        rgb, nir, plants = scene(np.random.default_rng([seed, number]))
        name = f"field_{number:03d}.png"
        Image.fromarray(rgb).save(folder / "images" / name)
        Image.fromarray(nir).save(folder / "nir" / name)
        images.append(
            {
                "id": number,
                "file_name": name,
                "width": WIDTH,
                "height": HEIGHT,
                "nir_file": f"nir/{name}",
            }
        )
        for category, plant in plants:
            mask = masks.encode(plant)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "segmentation": {"size": list(mask.size), "counts": mask.counts},
                    "iscrowd": 0,
                    "area": int(plant.sum()),
                    "bbox": _bbox(plant),
                }
            )
    document = {
        "info": {"description": f"synthetic field scenes, seed {seed}"},
        "images": images,
        "annotations": annotations,
        "categories": CATEGORIES,
    }
    # Written last and by rename: a folder that was cut off has no annotations and is made anew.
    partial = folder / "annotations.json.part"
    partial.write_text(json.dumps(document))
    partial.rename(folder / "annotations.json")


def scene(
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[tuple[int, NDArray[np.bool_]]]]:
    """One scene: RGB (H, W, 3), NIR (H, W), and (category, mask) of each plant."""
    plants: list[tuple[int, NDArray[np.bool_]]] = []
    taken = np.zeros((HEIGHT, WIDTH), bool)
    for category, x, y in _places(random):
        plant = _crop(random, x, y) if category == 1 else _weed(random, x, y)
        plant &= ~taken
        labels, found = ndimage.label(plant)
        if found:
            sizes = ndimage.sum_labels(plant, labels, range(1, found + 1))
            plant = labels == 1 + int(np.argmax(sizes))
        if plant.sum() >= 60:
            plants.append((category, plant))
            taken |= plant
    soil = 0.32 + 0.10 * _smooth(random, 12) + 0.05 * _smooth(random, 1.5)
    leaf = 0.12 * _smooth(random, 2)
    red = np.where(taken, 0.16 + leaf, soil)
    green = np.where(taken, 0.36 + leaf, soil * 0.85)
    blue = np.where(taken, 0.14 + leaf, soil * 0.70)
    nir = np.where(taken, 0.72 + leaf, soil * 1.12)
    light = 1.0 + 0.15 * _smooth(random, 60)
    bands = [
        np.clip(band * light + random.normal(0, 0.012, band.shape), 0, 1)
        for band in (red, green, blue, nir)
    ]
    stack = (np.stack(bands, axis=-1) * 255).astype(np.uint8)
    return stack[..., :3], stack[..., 3], plants


def _places(random: np.random.Generator) -> list[tuple[int, float, float]]:
    row = HEIGHT / 2 + random.normal(0, 12)
    slope = random.normal(0, 0.08)
    crops = [
        (1, x, row + slope * (x - WIDTH / 2) + random.normal(0, 5))
        for x in np.arange(random.uniform(20, 60), WIDTH - 15, 72.0)
    ]
    weeds = [
        (2, random.uniform(12, WIDTH - 12), random.uniform(12, HEIGHT - 12))
        for _ in range(random.integers(2, 5))
    ]
    # Some grow right beside a crop: vegetation there is one piece, and only its form tells.
    for _, x, y in crops:
        if random.random() < 0.5:
            angle, distance = random.uniform(0, 2 * np.pi), random.uniform(22, 32)
            weeds.append((2, x + distance * np.cos(angle), y + distance * np.sin(angle)))
    return crops + weeds


def _crop(random: np.random.Generator, x: float, y: float) -> NDArray[np.bool_]:
    """Few long, narrow leaves that fan out from the stem."""
    turn = random.uniform(0, np.pi)
    leaves = random.integers(4, 7)
    plant = np.zeros((HEIGHT, WIDTH), bool)
    for leaf in range(leaves):
        angle = turn + 2 * np.pi * leaf / leaves + random.normal(0, 0.15)
        length = random.uniform(17, 25)
        plant |= _ellipse(x, y, angle, length, random.uniform(3.2, 4.4), offset=length * 0.75)
    return plant


def _weed(random: np.random.Generator, x: float, y: float) -> NDArray[np.bool_]:
    """A low rosette of round leaves."""
    plant = _ellipse(x, y, 0.0, 5, 5, offset=0)
    for _ in range(random.integers(3, 6)):
        size = random.uniform(4, 7)
        plant |= _ellipse(x, y, random.uniform(0, 2 * np.pi), size, size * 0.85, offset=size)
    return plant


def _ellipse(
    x: float, y: float, angle: float, length: float, width: float, *, offset: float
) -> NDArray[np.bool_]:
    """A filled ellipse with its centre ``offset`` from (x, y), drawn in its surroundings only."""
    centre = (x + offset * np.cos(angle), y + offset * np.sin(angle))
    reach = max(length, width) + 1
    left, right = (int(np.clip(centre[0] + r, 0, WIDTH)) for r in (-reach, reach + 1))
    top, bottom = (int(np.clip(centre[1] + r, 0, HEIGHT)) for r in (-reach, reach + 1))
    rows, columns = np.mgrid[top:bottom, left:right]
    dx, dy = columns + 0.5 - centre[0], rows + 0.5 - centre[1]
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = -dx * np.sin(angle) + dy * np.cos(angle)
    ellipse = np.zeros((HEIGHT, WIDTH), bool)
    ellipse[top:bottom, left:right] = (along / length) ** 2 + (across / width) ** 2 <= 1
    return ellipse


def _smooth(random: np.random.Generator, sigma: float) -> Array:
    """Noise of zero mean and unit range with structure of about ``sigma`` pixels."""
    shrink = max(1, int(sigma / 4))
    shape = (HEIGHT // shrink + 2, WIDTH // shrink + 2)
    noise: Array = ndimage.gaussian_filter(random.standard_normal(shape), sigma / shrink)
    if shrink > 1:
        noise = ndimage.zoom(noise, shrink, order=1)
    noise = noise[:HEIGHT, :WIDTH]
    return noise / max(float(np.abs(noise).max()), 1e-9)


def _bbox(plant: NDArray[np.bool_]) -> list[int]:
    rows, columns = np.nonzero(plant)
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]
