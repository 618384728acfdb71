"""The gate: what is shown to be worse is blocked, what is not, serves."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from wakeline_geometry.shapes import Annotation, Box, Predicted
from wakeline_training.domain import gate
from wakeline_training.domain.gate import Served
from wakeline_training.domain.manifest import HoldoutTruth
from wakeline_training.domain.splits import Group

SIZE = (100, 100)
Shapes = dict[str, tuple[Predicted, ...]]


def holdout(count: int, classes: Sequence[str] = ("weed",)) -> list[HoldoutTruth]:
    """Four objects of every class an asset."""
    return [
        HoldoutTruth(
            asset_id=f"d:{n}",
            group=Group("d", f"g{n}"),
            size=SIZE,
            annotations=tuple(
                Annotation(id=f"{name}{i}", class_name=name, geometry=_box(i, row))
                for row, name in enumerate(classes)
                for i in range(4)
            ),
        )
        for n in range(count)
    ]


def _box(column: int, row: int, shift: float = 0.0) -> Box:
    left, top = 20.0 * column + shift, 20.0 * row
    return Box(corners=(left, top, left + 10, top + 10))


def predictions(
    truths: Sequence[HoldoutTruth],
    *,
    seed: int,
    shift: float = 1.0,
    miss: float = 0.1,
    bad_class: str = "",
) -> Shapes:
    """A model that misses a share of the objects and is off by up to ``shift`` pixels."""
    rng = np.random.default_rng(seed)
    said: Shapes = {}
    for truth in truths:
        shapes = []
        for shape in truth.annotations:
            if rng.random() < (0.9 if shape.class_name == bad_class else miss):
                continue
            assert isinstance(shape.geometry, Box)
            x0, y0, x1, y1 = shape.geometry.corners
            off = float(rng.uniform(0, shift))
            moved = Box(corners=(x0 + off, y0, x1 + off, y1))
            score = float(rng.uniform(0.5, 1))
            shapes.append(
                Predicted(id=shape.id, class_name=shape.class_name, geometry=moved, score=score)
            )
        said[truth.asset_id] = tuple(shapes)
    return said


def served(shapes: Shapes) -> Served:
    return Served("heuristic.ndvi/1", shapes)


def test_what_lies_outside_of_focus_regions_is_nothing_to_either_model() -> None:
    truths = holdout(20, ("weed", "crop"))
    about = [replace(truth, focus_regions=((0.0, 0.0, 80.0, 12.0),)) for truth in truths]
    everywhere = predictions(truths, seed=1, miss=0.0)
    cut = {
        name: tuple(shape for shape in shapes if shape.class_name == "weed")
        for name, shapes in everywhere.items()
    }
    strays = {
        name: (*shapes, Predicted(id="far", class_name="weed", geometry=_box(4, 4)))
        for name, shapes in everywhere.items()
    }
    judgement = gate.judge(about, strays, served(cut), seed=0)
    assert judgement.gate.difference == 0
    assert set(judgement.candidate.per_class) == {"weed"}
    assert judgement == gate.judge(about, cut, served(strays), seed=0)
    difference = gate.judge(truths, strays, served(everywhere), seed=0).gate.difference
    assert difference is not None
    assert difference < -0.05, "of a whole image it is a mistake"


def test_a_model_that_is_clearly_worse_is_blocked_with_its_numbers() -> None:
    truths = holdout(20)
    judgement = gate.judge(
        truths,
        predictions(truths, seed=1, miss=0.7),
        served(predictions(truths, seed=2)),
        seed=0,
    )
    verdict = judgement.gate
    assert verdict.verdict == "blocked"
    assert verdict.comparator == "heuristic.ndvi/1"
    assert verdict.holdout_assets == 20
    assert verdict.difference is not None
    assert verdict.upper_90 is not None
    assert verdict.difference < verdict.upper_90 < 0
    assert verdict.per_class_upper_95["weed"] < -0.05
    assert len(verdict.reasons) == 3
    assert not gate.may_serve(verdict)


def test_the_same_predictions_pass() -> None:
    truths = holdout(20)
    said = predictions(truths, seed=1)
    verdict = gate.judge(truths, said, served(said), seed=0).gate
    assert (verdict.verdict, verdict.difference, verdict.upper_90) == ("passed", 0.0, 0.0)
    assert verdict.reasons == ()


def test_a_better_model_passes() -> None:
    truths = holdout(20)
    worse = served(predictions(truths, seed=2, miss=0.5))
    verdict = gate.judge(truths, predictions(truths, seed=1), worse, seed=0).gate
    assert verdict.verdict == "passed"
    assert verdict.difference is not None
    assert verdict.difference > 0.2


def test_a_loss_in_one_class_blocks_even_where_the_others_make_up_for_it() -> None:
    truths = holdout(20, classes=("weed", "crop"))
    candidate = predictions(truths, seed=1, miss=0.0, shift=0.1, bad_class="crop")
    before = predictions(truths, seed=2, miss=0.5)
    verdict = gate.judge(truths, candidate, served(before), seed=0).gate
    assert verdict.difference is not None
    assert verdict.difference > -0.05
    assert verdict.verdict == "blocked"
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["class crop"]


def test_a_class_with_few_objects_is_not_judged_by_itself() -> None:
    truths = holdout(4, classes=("weed",)) + [
        HoldoutTruth(f"d:{n}", Group("d", f"g{n}"), SIZE, ()) for n in range(4, 12)
    ]
    said = predictions(truths, seed=1)
    assert gate.judge(truths, said, served(said), seed=0).gate.per_class_upper_95 == {}


def test_fewer_than_ten_assets_are_called_underpowered_and_serve_unless_they_look_worse() -> None:
    truths = holdout(9)
    said = predictions(truths, seed=1)
    equal = gate.judge(truths, said, served(said), seed=0).gate
    assert (equal.verdict, gate.may_serve(equal)) == ("underpowered", True)
    nothing: Shapes = {truth.asset_id: () for truth in truths}
    worse = gate.judge(truths, nothing, served(said), seed=0).gate
    assert (worse.verdict, gate.may_serve(worse)) == ("underpowered", False)
    assert worse.reasons


def test_an_asset_that_the_comparator_was_not_asked_about_is_left_out_of_the_pairing() -> None:
    truths = holdout(20)
    said = predictions(truths, seed=2)
    asked = dict(list(said.items())[:12])
    candidate = predictions(truths, seed=1) | {truths[-1].asset_id: ()}
    judgement = gate.judge(truths, candidate, served(asked), seed=0)
    assert judgement.gate.holdout_assets == 12
    assert judgement.candidate.assets == 20
    alone = gate.judge(truths[:12], candidate, served(asked), seed=0)
    assert alone.gate == judgement.gate


def test_where_the_comparator_failed_it_said_nothing() -> None:
    truths = holdout(12)
    failed: Shapes = {truth.asset_id: () for truth in truths}
    judgement = gate.judge(truths, predictions(truths, seed=1), served(failed), seed=0)
    assert judgement.gate.holdout_assets == 12
    assert judgement.comparator.ap == 0.0
    assert judgement.gate.difference == judgement.candidate.ap


def test_without_any_comparator_a_model_passes_against_no_predictions() -> None:
    truths = holdout(12)
    verdict = gate.judge(truths, predictions(truths, seed=1), None, seed=0).gate
    assert (verdict.verdict, verdict.comparator) == ("passed", "none")
    assert verdict.holdout_assets == 12


@pytest.mark.parametrize("truths", [[], holdout(12, classes=())], ids=["no asset", "no object"])
def test_a_holdout_that_holds_nothing_shows_nothing(truths: list[HoldoutTruth]) -> None:
    nothing: Shapes = {truth.asset_id: () for truth in truths}
    verdict = gate.judge(truths, nothing, None, seed=0).gate
    assert (verdict.verdict, verdict.difference) == ("underpowered", None)


def test_the_same_seed_gives_the_same_numbers() -> None:
    truths = holdout(15)
    a, b = predictions(truths, seed=1), served(predictions(truths, seed=2))
    assert gate.judge(truths, a, b, seed=7) == gate.judge(truths, a, b, seed=7)


def test_a_loss_of_the_smallest_detectable_size_is_blocked_four_times_in_five() -> None:
    # The measured difference scatters normally around a true loss; both lines may be the nearer.
    rng = np.random.default_rng(0)
    for error in (0.01, 0.05, 0.2):
        loss = gate.smallest_detectable(rng.normal(0, error, 100_000))
        assert loss is not None
        measured = rng.normal(-loss, error, 100_000)
        blocked = (measured + 1.2816 * error < 0) | (measured < -0.05)
        assert blocked.mean() == pytest.approx(0.8, abs=0.01)


def test_a_larger_holdout_detects_smaller_losses() -> None:
    def detectable(count: int) -> float:
        truths = holdout(count)
        a, b = predictions(truths, seed=1), served(predictions(truths, seed=2))
        found = gate.judge(truths, a, b, seed=0).gate.smallest_detectable
        assert found is not None
        return found

    assert detectable(80) < detectable(20)


def test_metrics_are_flat_numbers() -> None:
    truths = holdout(12)
    judgement = gate.judge(truths, predictions(truths, seed=1), None, seed=0)
    metrics = gate.flat_metrics(judgement.candidate)
    assert metrics.keys() == {"assets", "ap", "ap50", "ap/weed", "ap50/weed", "mean_iou/weed"}
    assert 0 < metrics["ap"] <= metrics["ap50"] <= 1
