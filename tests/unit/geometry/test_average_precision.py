import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wakeline_geometry import masks
from wakeline_geometry.average_precision import (
    AssetMatches,
    class_ap,
    evaluate,
    macro_ap,
    match_asset,
    rank,
)
from wakeline_geometry.bootstrap import draw_weights, paired_bootstrap, quantile
from wakeline_geometry.shapes import Box, Classification, Geometry, Predicted, Shape

from .strategies import CLASSES, predicted

SIZE = (120, 160)
Asset = tuple[list[Shape], list[Predicted]]


def random_box(rng: np.random.Generator) -> Box:
    x, y = rng.uniform(0, 130), rng.uniform(0, 90)
    return Box(corners=(x, y, x + rng.uniform(4, 60), y + rng.uniform(4, 50)))


def moved(box: Box, rng: np.random.Generator) -> Box:
    x_min, y_min, x_max, y_max = np.array(box.corners) + rng.normal(0, rng.uniform(0.1, 5), 4)
    return Box(corners=(x_min, y_min, max(x_max, x_min + 1), max(y_max, y_min + 1)))


def as_blob(box: Box) -> Geometry:
    """An ellipse in the box, so that masks are not boxes."""
    x_min, y_min, x_max, y_max = box.corners
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    across = (x - (x_min + x_max) / 2) / (x_max - x_min)
    down = (y - (y_min + y_max) / 2) / (y_max - y_min)
    return masks.encode(across**2 + down**2 <= 0.25)


def random_asset(rng: np.random.Generator, crowd: float, form: Callable[[Box], Geometry]) -> Asset:
    """Truth and predictions: moved copies of the truth, some misses, some inventions, ties."""
    boxes = [random_box(rng) for _ in range(rng.integers(0, 9))]
    truth = [
        Shape(
            id=f"t{i}",
            class_name=str(rng.choice(CLASSES)),
            geometry=form(box),
            attributes={"iscrowd": True} if rng.random() < crowd else {},
        )
        for i, box in enumerate(boxes)
    ]
    guesses = [(moved(box, rng), shape.class_name) for box, shape in zip(boxes, truth, strict=True)]
    guesses += [(moved(box, rng), name) for box, name in guesses if rng.random() < 0.3]
    guesses = [guess for guess in guesses if rng.random() < 0.8]
    guesses += [(random_box(rng), str(rng.choice(CLASSES))) for _ in range(rng.integers(0, 4))]
    found = [
        Predicted(
            id=f"p{i}", class_name=name, geometry=form(box), score=round(float(rng.random()), 1)
        )
        for i, (box, name) in enumerate(guesses)
    ]
    return truth, found


def coco_entry(shape: Shape) -> dict[str, Any]:
    entry: dict[str, Any] = {"category_id": CLASSES.index(shape.class_name) + 1}
    if isinstance(shape.geometry, Box):
        x_min, y_min, x_max, y_max = shape.geometry.corners
        entry["bbox"] = [x_min, y_min, x_max - x_min, y_max - y_min]
        entry["area"] = (x_max - x_min) * (y_max - y_min)
    else:
        mask = masks.rasterise(shape.geometry, SIZE)
        entry["segmentation"] = {"size": list(SIZE), "counts": mask.counts}
        entry["area"] = masks.area(mask)
        entry["bbox"] = [0, 0, 1, 1]
    return entry


def oracle(assets: Sequence[Asset], kind: str, max_detections: int) -> dict[str, tuple[float, ...]]:
    """AP and AP50 per class by pycocotools itself."""
    truth = [
        {**coco_entry(shape), "image_id": i, "iscrowd": int(bool(shape.attributes))}
        for i, (shapes, _) in enumerate(assets, start=1)
        for shape in shapes
    ]
    found = [
        {**coco_entry(shape), "image_id": i, "score": shape.score}
        for i, (_, shapes) in enumerate(assets, start=1)
        for shape in shapes
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i + 1, "height": SIZE[0], "width": SIZE[1]} for i in range(len(assets))],
        "annotations": [{**entry, "id": i} for i, entry in enumerate(truth, start=1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), kind)
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    return {
        name: (float(precision[:, :, k].mean()), float(precision[0, :, k].mean()))
        for k, name in enumerate(CLASSES)
        if precision[0, 0, k] >= 0
    }


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("crowd", [0.0, 0.25], ids=["plain", "crowds"])
@pytest.mark.parametrize(("kind", "form"), [("bbox", lambda box: box), ("segm", as_blob)])
def test_ap_is_that_of_pycocotools(
    kind: str, form: Callable[[Box], Geometry], crowd: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    assets = [random_asset(rng, crowd, form) for _ in range(8)]
    limit = (100, 2)[seed % 2]
    expected = oracle(assets, kind, limit)
    matches = [match_asset(*asset, SIZE, max_detections=limit) for asset in assets]
    result = evaluate(matches)
    assert {name: r.instances for name, r in result.per_class.items()}.keys() == expected.keys()
    for name, (ap, ap50) in expected.items():
        assert result.per_class[name].ap == pytest.approx(ap, abs=1e-6)
        assert result.per_class[name].ap50 == pytest.approx(ap50, abs=1e-6)
    assert result.ap == pytest.approx(np.mean([ap for ap, _ in expected.values()]), abs=1e-6)


def boxes_assets(count: int, seed: int = 0, *, ties: bool = True) -> list[Asset]:
    rng = np.random.default_rng(seed)
    assets = [random_asset(rng, 0.1, lambda box: box) for _ in range(count)]
    if ties:
        return assets
    return [(truth, [predicted(s, float(rng.random())) for s in found]) for truth, found in assets]


def matched(assets: Sequence[Asset]) -> list[AssetMatches]:
    return [match_asset(*asset, SIZE) for asset in assets]


@pytest.mark.parametrize("seed", range(8))
def test_a_weight_counts_an_asset_as_often_as_it_says(seed: int) -> None:
    matches = matched(boxes_assets(6, seed, ties=False))
    weights = np.random.default_rng(seed).integers(0, 4, size=6)
    repeated = [match for match, n in zip(matches, weights, strict=True) for _ in range(n)]
    fast = macro_ap(rank(matches), weights[None, :].astype(float))[0]
    assert fast == pytest.approx(evaluate(repeated).ap, abs=1e-9)


def test_perfect_predictions_have_an_ap_of_one() -> None:
    assets = [(truth, [predicted(s, 0.5) for s in truth]) for truth, _ in boxes_assets(5)]
    result = evaluate(matched(assets))
    assert result.ap == pytest.approx(1)
    assert result.ap50 == pytest.approx(1)
    assert all(r.mean_iou == pytest.approx(1) for r in result.per_class.values())


def test_no_predictions_have_an_ap_of_zero_and_no_mean_overlap() -> None:
    result = evaluate(matched([(truth, []) for truth, _ in boxes_assets(5)]))
    assert result.ap == 0
    assert {r.mean_iou for r in result.per_class.values()} == {None}


def test_a_class_that_is_not_in_the_truth_does_not_count() -> None:
    truth = [Shape(id="t", class_name="hull", geometry=Box(corners=(0, 0, 9, 9)))]
    ghost = Predicted(id="g", class_name="ghost", geometry=Box(corners=(0, 0, 9, 9)))
    result = evaluate([match_asset(truth, [predicted(truth[0], 1.0), ghost], SIZE)])
    assert list(result.per_class) == ["hull"]
    assert result.ap == pytest.approx(1)


def test_mean_iou_is_over_the_pairs_matched_at_one_half() -> None:
    truth = [
        Shape(id="a", class_name="hull", geometry=Box(corners=(0, 0, 10, 10))),
        Shape(id="b", class_name="hull", geometry=Box(corners=(50, 50, 60, 60))),
    ]
    found = [
        Predicted(id="c", class_name="hull", geometry=Box(corners=(0, 0, 10, 8))),
        Predicted(id="d", class_name="hull", geometry=Box(corners=(50, 50, 60, 53))),
    ]
    result = evaluate([match_asset(truth, found, SIZE)]).per_class["hull"]
    assert result.mean_iou == pytest.approx(0.8)
    assert result.instances == 2


def test_a_classification_is_found_by_its_class_alone() -> None:
    truth = [Shape(id="t", class_name="cloudy", geometry=Classification())]
    found = [Predicted(id="p", class_name="cloudy", geometry=Classification(), score=0.9)]
    assert evaluate([match_asset(truth, found, SIZE)]).ap == pytest.approx(1)


@pytest.mark.parametrize("assets", [[], [([], [])]], ids=["no asset", "empty asset"])
def test_without_truth_there_is_no_ap(assets: list[Asset]) -> None:
    result = evaluate(matched(assets))
    assert (result.ap, result.ap50, result.per_class) == (None, None, {})


def test_a_resample_without_a_class_has_no_ap_of_it() -> None:
    truth = [Shape(id="t", class_name="hull", geometry=Box(corners=(0, 0, 9, 9)))]
    ranking = rank([match_asset(truth, [], SIZE), match_asset([], [], SIZE)])
    ap = class_ap(ranking["hull"], np.array([[0.0, 2.0], [1.0, 1.0]]))
    assert np.isnan(ap[0]).all()
    assert (ap[1] == 0).all()


def test_a_model_does_not_differ_from_itself() -> None:
    matches = matched(boxes_assets(12))
    assert not paired_bootstrap(matches, matches, seed=1, resamples=50).macro.any()


def test_a_better_model_is_better_in_nearly_every_resample() -> None:
    assets = boxes_assets(12)
    perfect = matched([(truth, [predicted(s, 0.5) for s in truth]) for truth, _ in assets])
    result = paired_bootstrap(perfect, matched(assets), seed=1, resamples=200)
    low, high = quantile(result.macro, 0.05), quantile(result.macro, 0.95)
    assert low is not None
    assert high is not None
    assert 0 < low < high <= 1
    assert set(result.per_class) == set(CLASSES)


def test_the_same_seed_gives_the_same_differences() -> None:
    worse, better = matched(boxes_assets(9)), matched([(t, []) for t, _ in boxes_assets(9)])
    first, again, other = (
        paired_bootstrap(worse, better, seed=seed, resamples=30).macro for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_assets_of_one_group_are_drawn_together() -> None:
    weights = draw_weights(["p1", "p1", "p2", "p3", "p2"], seed=3, resamples=40)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 2], weights[:, 4])
    np.testing.assert_array_equal(weights[:, [0, 2, 3]].sum(axis=1), 3)


def test_models_matched_to_different_truth_cannot_be_compared() -> None:
    assets = boxes_assets(3)
    other: list[Asset] = [([], found) for _, found in assets]
    with pytest.raises(ValueError, match="different truths"):
        paired_bootstrap(matched(assets), matched(other), seed=1)
    with pytest.raises(ValueError, match="same assets"):
        paired_bootstrap(matched(assets), matched(assets[1:]), seed=1)
    with pytest.raises(ValueError, match="at least one asset"):
        paired_bootstrap([], [], seed=1)
