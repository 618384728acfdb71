"""How the demo is set up for a folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_demo.folders import Folder, TrueImage
from wakeline_demo.plan import batches, plan_for
from wakeline_events.configuration import ProjectDocument


@given(st.integers(10, 5_000), st.integers(1, 10))
def test_every_asset_is_labeled_once_and_the_iterations_are_alike(
    assets: int, iterations: int
) -> None:
    holdout = max(5, -(-assets // 5))
    if assets - holdout < iterations:
        with pytest.raises(ValueError, match="too few"):
            batches(assets, iterations)
        return
    sizes = batches(assets, iterations)
    assert len(sizes) == iterations
    assert sum(sizes) == assets
    rest = [sizes[0] - holdout, *sizes[1:]]
    assert min(rest) >= 1
    assert max(rest) - min(rest) <= 1


def test_too_few_images_are_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="7 images are too few for 3 iterations: 5 are held out"):
        batches(7, 3)


@pytest.mark.parametrize(
    ("changes", "trainer", "predictor"),
    [
        ({"plants": True, "nir": True}, "instances", {"name": "heuristic.ndvi"}),
        (
            {"plants": False, "nir": True},
            "instances",
            {"name": "heuristic.threshold", "parameters": {"band": "nir"}},
        ),
        ({"plants": True, "nir": False}, "instances", {"name": "heuristic.threshold"}),
        ({"kind": "box", "nir": False}, "boxes", {"name": "heuristic.threshold"}),
    ],
    ids=["plants with NIR", "NIR", "plants", "boxes"],
)
def test_predictor_and_trainer_follow_from_what_the_folder_holds(
    changes: dict[str, Any], trainer: str, predictor: dict[str, object]
) -> None:
    plan = plan_for(_folder(**changes), "p", iterations=3, seed=5, max_seconds=60)
    (stage,) = plan.document["stages"]
    assert stage["training"]["trainer"] == trainer
    assert stage["predictors"] == [{"name": "own"}, predictor]
    assert stage["training"]["parameters"] == {"seed": 5, "max_seconds": 60}
    ProjectDocument.model_validate(plan.document)


def test_a_control_arm_is_part_of_every_plan() -> None:
    plan = plan_for(_folder(), "p", iterations=3, seed=5, max_seconds=60)
    assert plan.document["stages"][0]["control_share"] > 0
    assert plan.document["stages"][0]["paired_below"] == 50
    assert plan.labelers >= 2  # a pair is never one person's


def _folder(*, kind: str = "mask", plants: bool = False, nir: bool = False) -> Folder:
    image = TrueImage(Path("a.png"), Path("b.png") if nir else None, "d", 32, 24, ())
    images = tuple(replace(image, digest=str(n)) for n in range(20))
    return Folder(Path("cells"), "cells", ("cell",), kind, plants, images)
