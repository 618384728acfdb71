"""How good are pre-labels after N images? ``python -m benchmarks.trainer FOLDER... [--images N]``.

Trains as the platform does, by the trainer contract in a process of its own, on N images of each
folder (COCO annotations, ``images/``, optionally ``nir/``), and predicts a hold-out that stays the
same for every N. ``ratio`` is the human time that ``effort-1`` gives for the hold-out with these
pre-labels, over drawing everything; people here make no errors. ``--shuffled`` trains on the labels
of other images, which must make everything worse; with ``--warm`` each number of images begins with
the model of the number before, as the turns of a project do.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wakeline_demo import effort, folders
from wakeline_demo.effort import Drawn, Step
from wakeline_geometry.matching import optimal
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Annotation, Predicted, Shape
from wakeline_trainer.contract import Asset

HOLDOUT_SHARE = 0.2
LEAST_HOLDOUT = 5


def main() -> None:
    """Train on each folder with each number of images, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainer", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--images", nargs="*", type=int, default=[], help="default: 1/4, then 1/2 of them"
    )
    parser.add_argument("--seconds", type=float, default=60, help="wall time of a run")
    parser.add_argument("--seed", type=int, default=0, help="of the training; the split is fixed")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--warm", action="store_true")
    given = parser.parse_args()
    print(f"{'folder':28} images   ratio      AP    AP50  steps  seconds")
    for path in given.folders:
        folder = folders.read(path)
        counts = given.images or (len(folder.images) // 4, len(folder.images) // 2)
        with tempfile.TemporaryDirectory() as work:
            base = None
            for count in counts:
                run = Path(work) / str(count)
                print(line(folder, count, given, run, base), flush=True)
                base = run if given.warm else None


def line(
    folder: folders.Folder, count: int, given: argparse.Namespace, run: Path, base: Path | None
) -> str:
    """Train on so many images of a folder, and say in a line of the table how good that is."""
    train, holdout = split(folder)
    assets = [*as_assets(train[:count], "train"), *as_assets(holdout, "holdout")]
    parameters = {
        "kind": "boxes" if folder.kind == "box" else "instances",
        "classes": folder.classes,
        "seed": given.seed,
        "max_seconds": given.seconds,
    }
    seen = shuffled(assets) if given.shuffled else assets
    metrics, predicted = train_model(run, seen, parameters, base)
    found, ratio = metrics["holdout"], time_ratio(assets, predicted, folder.kind)
    return (
        f"{folder.name:28} {count:6}  {ratio:6.2f}  {found['ap']:6.3f}  "
        f"{found['ap50']:6.3f} {metrics['steps']:6}  {metrics['seconds']:7.1f}"
    )


def split(folder: folders.Folder) -> tuple[list[folders.TrueImage], list[folders.TrueImage]]:
    """The training images in the order they are used, and the hold-out; always the same."""
    images = sorted(folder.images, key=lambda image: image.path.name)
    random.Random(0).shuffle(images)
    held = max(LEAST_HOLDOUT, round(HOLDOUT_SHARE * len(images)))
    return images[held:], images[:held]


def as_assets(images: Sequence[folders.TrueImage], part: str) -> Iterator[Asset]:
    """Images as lines of a manifest."""
    for image in images:
        yield Asset.model_validate(
            {
                "asset_id": image.digest,
                "image": image.path.resolve().as_uri(),
                "bands": {"nir": image.nir.resolve().as_uri()} if image.nir else {},
                "width": image.width,
                "height": image.height,
                "split": part,
                "annotations": [Annotation(**dict(shape)) for shape in image.shapes],
            }
        )


def shuffled(assets: Sequence[Asset]) -> list[Asset]:
    """The same assets, every training image with the labels of the next one."""
    train = [asset for asset in assets if asset.split == "train"]
    labels = {a.asset_id: b.annotations for a, b in zip(train, train[1:] + train[:1], strict=True)}
    return [
        asset.model_copy(update={"annotations": labels.get(asset.asset_id, asset.annotations)})
        for asset in assets
    ]


def train_model(
    folder: Path, assets: Sequence[Asset], parameters: dict[str, Any], base: Path | None = None
) -> tuple[dict[str, Any], dict[str, list[Predicted]]]:
    """Run the trainer in a new folder, and return its metrics and predictions on the hold-out."""
    folder.mkdir()
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(asset.model_dump_json() + "\n" for asset in assets))
    environment = {
        "OMP_NUM_THREADS": "1",
        "WAKELINE_RUN_ID": hashlib.sha256(manifest.read_bytes()).hexdigest()[:16],
        "WAKELINE_ATTEMPT": "1",
        "WAKELINE_DATASET_URI": manifest.as_uri(),
        "WAKELINE_OUTPUT_URI": (folder / "output").as_uri(),
        "WAKELINE_CHECKPOINT_URI": (folder / "checkpoints").as_uri(),
        "WAKELINE_PARAMETERS": json.dumps(parameters),
        **({"WAKELINE_BASE_URI": (base / "output").as_uri()} if base else {}),
    }
    command = ["nice", "-n", "10", sys.executable, "-m", "wakeline_trainer"]
    subprocess.run(command, env=os.environ | environment, check=True)
    metrics = json.loads((folder / "output" / "metrics.json").read_text())
    lines = map(json.loads, (folder / "output" / "predictions.jsonl").read_text().splitlines())
    return metrics, {
        line["asset_id"]: [Predicted.model_validate(shape) for shape in line["shapes"]]
        for line in lines
    }


def time_ratio(assets: Sequence[Asset], predicted: dict[str, list[Predicted]], drawn: str) -> float:
    """Human time with pre-labels over human time without, both on the hold-out."""
    how: Drawn = "box" if drawn == "box" else "mask"
    holdout = [asset for asset in assets if asset.split == "holdout"]
    assisted = sum(
        effort.seconds(steps(asset, predicted[asset.asset_id], how)) for asset in holdout
    )
    alone = sum(effort.seconds(steps(asset, [], how)) for asset in holdout)
    return assisted / alone


def steps(asset: Asset, shown: Sequence[Shape], drawn: Drawn) -> Iterator[Step]:
    """What a person without errors does with a pre-label."""
    good = effort.CONFIRM_BOX_IOU if drawn == "box" else effort.CONFIRM_MASK_IOU
    wanted = asset.annotations
    overlaps = pairwise_iou(
        [shape.geometry for shape in shown], [shape.geometry for shape in wanted], asset.size
    )
    pairs = optimal(overlaps, min_iou=effort.EDIT_IOU)
    yield Step("open")
    for pair in pairs:
        if pair.iou < good:
            yield Step("edit", drawn, pair.iou)
        elif shown[pair.left].class_name == wanted[pair.right].class_name:
            yield Step("confirm")
        else:
            yield Step("change-class")
    for _ in range(len(shown) - len(pairs)):
        yield Step("remove")
    for _ in range(len(wanted) - len(pairs)):
        yield Step("find")
        yield Step("draw", drawn)


if __name__ == "__main__":
    main()
