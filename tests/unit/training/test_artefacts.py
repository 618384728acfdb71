"""What a trainer leaves is checked before it counts."""

import json

import pytest

from wakeline_training.domain import artefacts
from wakeline_training.domain.artefacts import BadArtefactError

MODEL = artefacts.digest_of(b"weights")
CARD = {
    "kind": "boxes",
    "classes": ["weed"],
    "channels": ["grey"],
    "mean": [0.5],
    "std": [0.1],
    "scale": 1.0,
    "tile": 64,
    "overlap": 16,
    "stride": 2,
    "object_size": 8,
    "decode": {"kind": "boxes"},
    "digest": MODEL,
}
SHAPE = {
    "id": "s1",
    "class_name": "weed",
    "geometry": {"kind": "box", "corners": [0, 0, 4, 4]},
    "score": 0.75,
}


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_predictions_of_all_holdout_assets_are_read() -> None:
    content = lines({"asset_id": "d:1", "shapes": [SHAPE]}, {"asset_id": "d:2", "shapes": []})
    found = artefacts.read_predictions(content, {"d:1", "d:2"})
    assert found["d:1"][0].score == 0.75
    assert found["d:2"] == ()


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"asset_id": "d:1", "shapes": []}], "misses 1 of 2"),
        ([{"asset_id": "d:1", "shapes": []}] * 2, "twice"),
        ([{"asset_id": "d:3", "shapes": []}], "unasked"),
        ([{"asset_id": "d:1", "shapes": [{**SHAPE, "score": 2}]}], "asset d:1"),
        ([{"asset_id": "d:1"}], "asset d:1"),
        ([["d:1"]], "not an object"),
    ],
)
def test_incomplete_or_malformed_predictions_are_refused(
    rows: list[object], complaint: str
) -> None:
    with pytest.raises(BadArtefactError, match=complaint):
        artefacts.read_predictions(lines(*rows), {"d:1", "d:2"})


def test_done_must_name_a_digest_of_every_artefact() -> None:
    digests = dict.fromkeys(artefacts.REQUIRED, "00")
    assert artefacts.digests_of(json.dumps({"artefacts": digests}).encode()) == digests
    del digests["card.json"]
    with pytest.raises(BadArtefactError, match=r"card\.json"):
        artefacts.digests_of(json.dumps({"artefacts": digests}).encode())


def test_an_artefact_that_changed_after_it_was_finished_is_refused() -> None:
    with pytest.raises(BadArtefactError, match=r"model\.onnx"):
        artefacts.check_digest(
            "model.onnx", artefacts.digest_of(b"other bytes"), {"model.onnx": "00" * 32}
        )


def test_a_card_that_fits_its_model_and_the_run_is_taken() -> None:
    artefacts.check_card(json.dumps(CARD).encode(), MODEL, ["crop", "weed"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"digest": artefacts.digest_of(b"earlier")}, r"of another model\.onnx"),
        ({"digest": ""}, r"of another model\.onnx"),
        ({"classes": ["weed", "tree"]}, "has the class 'tree'; the run has crop, weed"),
        ({"format": "wakeline-model/2"}, "format: Input should be 'wakeline-model/1'"),
        ({"tile": 32_768}, "tile: Input should be less than or equal to 2048"),
        ({"mean": []}, "no card of a model: Value error, channels, mean and std"),
    ],
    ids=str,
)
def test_a_card_that_prediction_cannot_run_the_model_by_is_refused(
    change: dict[str, object], complaint: str
) -> None:
    content = json.dumps(CARD | change).encode()
    with pytest.raises(BadArtefactError, match=complaint):
        artefacts.check_card(content, MODEL, ["crop", "weed"])


def test_metrics_that_json_cannot_hold_become_null() -> None:
    assert artefacts.read_metrics(b'{"holdout": {"ap": NaN, "ap50": 0.5}}') == {
        "holdout": {"ap": None, "ap50": 0.5}
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": [{"steps": 9223372036854775808}]}', "more than 64 bits"),
        (b'{"a": {"b\\u0000": 1}}', "no name"),
        (b'{"a": "\\ud800"}', "no text"),
        (b'{"a": ' + b"[" * 25 + b"]" * 25 + b"}", "nested"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": "' + b"x" * artefacts.MAX_METRICS + b'"}', "bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_metrics_that_the_database_cannot_hold_fail_the_attempt(
    content: bytes, complaint: str
) -> None:
    with pytest.raises(BadArtefactError, match=complaint):
        artefacts.read_metrics(content)


def test_progress_that_cannot_be_kept_is_passed_over() -> None:
    content = lines({"step": 1}, {"step": 2**63}, {"step": 2, "of": 2**70})
    progress = artefacts.latest_progress(content)
    assert progress is not None
    assert progress.step == 1


def test_progress_is_the_last_whole_line() -> None:
    content = lines({"step": 1, "of": 9, "loss": 0.5}, {"step": 2, "of": None, "loss": 0.4})
    progress = artefacts.latest_progress(content + b'{"step": 3, "o')
    assert progress is not None
    assert (progress.step, progress.of, progress.loss) == (2, None, 0.4)
    assert artefacts.latest_progress(b'{"st') is None
