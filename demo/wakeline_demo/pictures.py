"""Draws pre-labels on images, so that a person can see what each turn improved."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wakeline_demo.folders import Folder, TrueImage
from wakeline_demo.report import Picture
from wakeline_geometry import masks
from wakeline_geometry.shapes import Box, Mask, Polygon, Predicted, Shape
from wakeline_images import read_image
from wakeline_sdk import AsyncClient

COLOURS = ("#ffd23f", "#ff4fd8", "#4fc3ff", "#ff7043", "#b388ff")
SHOWN = 3
"""Images of the report."""
WIDEST = 480
"""Pixels of the longer side, so that the page stays small."""


async def of_predictions(
    client: AsyncClient, folder: Folder, holdout: Sequence[str]
) -> list[Picture]:
    """For some hold-out images: what each predictor version proposed, and the truth."""
    by_digest = {image.digest: image for image in folder.images}
    pictures: list[Picture] = []
    for asset_id in sorted(holdout)[:SHOWN]:
        image = by_digest[asset_id.split(":")[1]]
        found = [p async for p in client.predictions.list(asset_id=asset_id)]
        for prediction in sorted(found, key=lambda p: int(p["serving_epoch"])):
            shapes = [Predicted.model_validate(shape) for shape in prediction["shapes"]]
            turn = int(prediction["serving_epoch"]) + 1
            caption = f"{image.path.name}, turn {turn}: {prediction['predictor']}"
            pictures.append(overlay(image, shapes, folder, caption))
        pictures.append(overlay(image, image.shapes, folder, f"{image.path.name}, the truth"))
    return pictures


def overlay(image: TrueImage, shapes: Sequence[Shape], folder: Folder, caption: str) -> Picture:
    """An image with the outlines of shapes, a colour a class."""
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(folder.classes)}
    canvas = _canvas(read_image(image.path.read_bytes()))
    draw = ImageDraw.Draw(canvas)
    for shape in shapes:
        colour = colours.get(shape.class_name, "#ffffff")
        match shape.geometry:
            case Box(corners=corners):
                draw.rectangle(corners, outline=colour, width=2)
            case Polygon(parts=parts):
                for part in parts:
                    draw.polygon(part, outline=colour)
            case Mask():
                _outline(canvas, masks.decode(shape.geometry), colour)
    canvas.thumbnail((WIDEST, WIDEST))
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=85)
    counted = ", ".join(f"{n} {name}" for name, n in _counts(shapes).items()) or "nothing"
    return Picture(caption=f"{caption} ({counted})", jpeg=out.getvalue())


def _canvas(pixels: NDArray[np.generic]) -> Image.Image:
    values = pixels.astype(np.float64)
    if pixels.dtype != np.uint8:
        values *= 255 / max(1.0, float(np.percentile(values, 99)))
    values = np.clip(values, 0, 255).astype(np.uint8)
    if values.ndim == 2 or values.shape[2] == 1:
        values = np.repeat(values.reshape(*values.shape[:2], 1), 3, axis=2)
    return Image.fromarray(values[..., :3])


def _outline(canvas: Image.Image, mask: NDArray[np.bool_], colour: str) -> None:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    border = Image.fromarray((mask & ~inner).astype(np.uint8) * 255)
    canvas.paste(Image.new("RGB", canvas.size, colour), mask=border)


def _counts(shapes: Sequence[Shape]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for shape in shapes:
        counts[shape.class_name] = counts.get(shape.class_name, 0) + 1
    return counts
