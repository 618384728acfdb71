"""How the demo is set up for a folder: its project document, its crew, its iterations (pure)."""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

from wakeline_demo.folders import Folder

STAGE = "outline"
PAIRED_BELOW = 50
"""Below this many assets each one goes to two people, one of them assisted."""
HOLDOUT_SHARE = 0.2
LEAST_HOLDOUT = 5


@dataclass(frozen=True)
class Plan:
    """What the demo will do."""

    project: str
    dataset: str
    iterations: int
    labels_per_iteration: tuple[int, ...]
    """Assets to be labeled in each iteration."""
    labelers: int
    experts: int
    seed: int
    document: dict[str, Any]


def plan_for(folder: Folder, project: str, *, iterations: int, seed: int, max_seconds: int) -> Plan:
    """Choose predictors, trainer and batch sizes from what the folder holds.

    Plants with a near-infrared band are pre-labeled by NDVI; everything else by a threshold, on
    the near-infrared band where there is one, for water is dark in it.
    """
    assets = len(folder.images)
    trainer = "boxes" if folder.kind == "box" else "instances"
    sizes = batches(assets, iterations)
    document: dict[str, Any] = {
        "project": project,
        "datasets": [project],
        "ontology": {
            "classes": [{"name": name, "kinds": [folder.kind]} for name in folder.classes]
        },
        "stages": [
            {
                "name": STAGE,
                "team": f"{project}-crew",
                "predictors": [{"name": "own"}, _heuristic(folder)],
                # The product's default is by uncertainty. Here turns are compared with each other,
                # so each should hold images as hard as any other's.
                "order": "random",
                "control_share": 0.25,
                "paired_below": PAIRED_BELOW,
                "benchmark_share": 0.0,
                "holdout_share": HOLDOUT_SHARE,
                "review": {"share": 1.0, "team": f"{project}-experts"},
                "training": {
                    "trainer": trainer,
                    "trigger_labels": 0,
                    "parameters": {"seed": seed, "max_seconds": max_seconds},
                },
            }
        ],
    }
    return Plan(
        project=project,
        dataset=project,
        iterations=iterations,
        labels_per_iteration=sizes,
        labelers=4,
        experts=2,
        seed=seed,
        document=document,
    )


def batches(assets: int, iterations: int) -> tuple[int, ...]:
    """How many assets are labeled in each iteration.

    The hold-out is labeled first, on top of the first batch; the rest is spread evenly.
    """
    holdout = max(LEAST_HOLDOUT, ceil(HOLDOUT_SHARE * assets))
    rest = assets - holdout
    if rest < iterations:
        raise ValueError(
            f"{assets} images are too few for {iterations} iterations: "
            f"{holdout} are held out, and each iteration needs one"
        )
    cuts = [round(rest * n / iterations) for n in range(iterations + 1)]
    sizes = [after - before for before, after in pairwise(cuts)]
    return (sizes[0] + holdout, *sizes[1:])


def _heuristic(folder: Folder) -> dict[str, Any]:
    if folder.has_nir and folder.plants:
        return {"name": "heuristic.ndvi"}
    if folder.has_nir:
        return {"name": "heuristic.threshold", "parameters": {"band": "nir"}}
    return {"name": "heuristic.threshold"}
