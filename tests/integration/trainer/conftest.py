"""A small generated data set, and the trainer as the platform starts it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wakeline_geometry.masks import encode
from wakeline_geometry.shapes import Annotation, Box
from wakeline_trainer.contract import Asset

SIDE = 96
CLASSES = ("disc", "square")


def scattered(count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Places ``(row, column)`` that keep 24 pixels apart and 12 from the border."""
    places: list[tuple[int, int]] = []
    while len(places) < count:
        y, x = (int(at) for at in rng.integers(12, SIDE - 12, 2))
        if all(max(abs(y - row), abs(x - column)) > 24 for row, column in places):
            places.append((y, x))
    return places


def draw_asset(folder: Path, number: int, kind: str, rng: np.random.Generator) -> Asset:
    """A noisy picture of bright discs and dark squares, as one line of a manifest."""
    rows, columns = np.indices((SIDE, SIDE))
    picture = rng.normal(90, 6, (SIDE, SIDE))
    annotations = []
    for y, x in scattered(4, rng):
        name = CLASSES[rng.integers(2)]
        radius = int(rng.integers(7, 11))
        across = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        within = (abs(rows - y) <= radius) & (abs(columns - x) <= radius)
        mine = across if name == "disc" else within
        picture[mine] += 120 if name == "disc" else -60
        box = Box(corners=(x - radius, y - radius, x + radius + 1, y + radius + 1))
        annotations.append(
            Annotation(
                id=f"{number}-{len(annotations)}",
                class_name=name,
                geometry=box if kind == "boxes" else encode(mine),
            )
        )
    path = folder / f"{number}.png"
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path)
    return Asset(
        asset_id=f"asset-{number}",
        image=path.as_uri(),
        width=SIDE,
        height=SIDE,
        split="holdout" if number % 3 == 0 else "train",
        annotations=tuple(annotations),
    )


@dataclass
class Run:
    """A run of the trainer in a folder of its own."""

    folder: Path
    assets: list[Asset]
    parameters: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, attempt: int = 1) -> subprocess.Popen[str]:
        """Start an attempt as a process of its own."""
        manifest = self.folder / "manifest.jsonl"
        manifest.write_text("".join(asset.model_dump_json() + "\n" for asset in self.assets))
        environment = {
            "WAKELINE_RUN_ID": "run",
            "WAKELINE_ATTEMPT": str(attempt),
            "WAKELINE_DATASET_URI": manifest.as_uri(),
            "WAKELINE_OUTPUT_URI": self.output(attempt).as_uri() + "/",
            "WAKELINE_CHECKPOINT_URI": self.checkpoint.parent.as_uri() + "/",
            "WAKELINE_PARAMETERS": json.dumps(self.parameters),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "wakeline_trainer"],
            env=os.environ | environment | self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, attempt: int = 1) -> "Finished":
        """Run an attempt to its end."""
        process = self.start(attempt)
        _, errors = process.communicate(timeout=240)
        return Finished(process.returncode, errors, self.output(attempt))

    def output(self, attempt: int) -> Path:
        """Where an attempt writes."""
        return self.folder / "runs" / str(attempt)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that the attempts share."""
        return self.folder / "checkpoints" / "checkpoint.pt"


@dataclass
class Finished:
    """How an attempt ended."""

    code: int
    errors: str
    output: Path

    def json(self, name: str) -> Any:
        """An artefact that holds one JSON value."""
        return json.loads((self.output / name).read_text())

    def lines(self, name: str) -> list[Any]:
        """An artefact of JSON lines."""
        return [json.loads(line) for line in (self.output / name).read_text().splitlines()]


@pytest.fixture
def make_run(tmp_path: Path):
    """Make a run of ``kind`` on 9 generated images, 3 of them held out."""

    def make(kind: str, **parameters: Any) -> Run:
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        assets = [draw_asset(folder, number, kind, rng) for number in range(9)]
        given = {"kind": kind, "classes": CLASSES, "seed": 3, "max_seconds": 200, "device": "cpu"}
        return Run(folder, assets, given | parameters)

    return make
