"""A small project over pictures that are made here, and its people."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wakeline_sdk import Annotation, Box

from .services import Platform

SIZE = 64


def images(folder: Path, count: int, seed: int) -> list[Path]:
    """Pictures that look like nothing else, so that each is a group of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths = []
    for number in range(count):
        coarse = random.integers(0, 255, (4, 4, 3), np.uint8)
        path = folder / f"field{number}.png"
        Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


def bands(folder: Path, images: list[Path]) -> list[Path]:
    """A near-infrared band for each image, named alike."""
    folder.mkdir()
    paths = [folder / path.name for path in images]
    for number, path in enumerate(paths):
        Image.new("L", (SIZE, SIZE), 40 * number).save(path)
    return paths


def document(name: str, **stage: Any) -> dict[str, Any]:
    """The project ``name`` over the dataset of the same name: one stage, ``mark``."""
    return {
        "project": name,
        "datasets": [name],
        "ontology": {
            "classes": [
                {
                    "name": "weed",
                    "kinds": ["box", "polygon", "mask"],
                    "attributes": [{"name": "iscrowd", "kind": "boolean"}],
                },
                {"name": "crop", "kinds": ["box", "point"]},
            ]
        },
        "stages": [
            {
                "name": "mark",
                "team": name,
                "predictors": [{"name": "external.mine"}],
                "paired_below": 0,
                "control_share": 0.0,
                "benchmark_share": 0.0,
                "holdout_share": 0.01,
                "prelabel_wait_seconds": 0,
                "review": {"share": 1.0},
                **stage,
            }
        ],
    }


def weed(name: str = "w1", left: float = 8.0) -> Annotation:
    """A weed of 20 x 16 pixels."""
    return Annotation(
        id=name, class_name="weed", geometry=Box(corners=(left, 10.0, left + 20.0, 26.0))
    )


async def team(platform: Platform, name: str) -> None:
    """A team with a labeler and a reviewer, known to every service."""
    async with platform.client("admin", "p-admin") as client:
        await client.teams.put(name, name=name.title(), cost_per_hour=12.0)
    await platform.settled()
