"""``python -m wakeline_trainer`` keeps the trainer contract, also when it is killed."""

import hashlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from wakeline_models.card import ModelCard
from wakeline_models.inference import Model
from wakeline_trainer.contract import BadInputError, Exit, Parameters
from wakeline_trainer.data import load_stack
from wakeline_trainer.preparation import prepare
from wakeline_trainer.storage import Storage

from .conftest import Run

pytestmark = pytest.mark.long

MakeRun = Callable[..., Run]


def wait_for(path: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.02)


@pytest.mark.parametrize(("kind", "steps"), [("instances", 60), ("boxes", 100)])
def test_a_run_delivers_a_model_that_learned_and_all_that_the_contract_asks_for(
    make_run: MakeRun, kind: str, steps: int
) -> None:
    run = make_run(kind, steps=steps)

    done = run.finish()

    assert done.code == Exit.DONE, done.errors
    digests = done.json("done.json")["artefacts"]
    assert set(digests) == {
        "model.onnx", "card.json", "weights.pt", "metrics.json", "predictions.jsonl",
        "progress.jsonl",
    }  # fmt: skip
    for name, digest in digests.items():
        assert hashlib.sha256((done.output / name).read_bytes()).hexdigest() == digest
    metrics = done.json("metrics.json")
    assert metrics["holdout"]["ap50"] > 0.5
    assert metrics["holdout"]["assets"] == 3
    assert set(metrics["holdout"]["per_class"]) == {"disc", "square"}
    assert metrics["steps"] == steps
    assert metrics["onnx_max_difference"] < 1e-3
    assert {"step", "of", "loss", "at"} <= set(done.lines("progress.jsonl")[-1])

    card = ModelCard.model_validate(done.json("card.json"))
    model = Model.load((done.output / "model.onnx").read_bytes(), card)
    predicted = {line["asset_id"]: line["shapes"] for line in done.lines("predictions.jsonl")}
    holdout = [asset for asset in run.assets if asset.split == "holdout"]
    assert set(predicted) == {asset.asset_id for asset in holdout}
    stack, channels = load_stack(Storage(None), holdout[0])
    served = [shape.model_dump(mode="json") for shape in model.predict(stack, channels)]
    assert served == predicted[holdout[0].asset_id]


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_model(make_run: MakeRun) -> None:
    run = make_run("boxes", steps=25, save_every=0)
    killed = run.start(attempt=1)
    wait_for(run.checkpoint)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (run.output(1) / "done.json").exists()

    resumed = run.finish(attempt=2)
    run.checkpoint.unlink()
    in_one_go = run.finish(attempt=3)

    assert resumed.code == in_one_go.code == Exit.DONE
    digests = [done.json("card.json")["digest"] for done in (resumed, in_one_go)]
    assert digests[0] == digests[1]
    assert resumed.lines("progress.jsonl")[0]["step"] > 1


def test_sigterm_leaves_a_checkpoint_and_ends_with_143(make_run: MakeRun) -> None:
    run = make_run("boxes", steps=100_000, save_every=3600)
    process = run.start()
    wait_for(run.output(1) / "progress.jsonl")

    process.terminate()

    assert process.wait(timeout=120) == Exit.TERMINATED
    assert run.checkpoint.exists()


def without_annotations(run: Run) -> None:
    run.assets = [asset.model_copy(update={"annotations": ()}) for asset in run.assets]


def with_a_missing_image(run: Run) -> None:
    gone = run.assets[1].model_copy(update={"image": "file:///nowhere.png"})
    run.assets = [run.assets[0], gone]


def with_an_image_of_another_size(run: Run) -> None:
    path = run.folder / "1.png"
    Image.open(path).resize((40, 40)).save(path)


def with_a_misspelt_parameter(run: Run) -> None:
    run.parameters["lerning_rate"] = 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_a_missing_image, "Asset asset-1: nothing is at"),
        (with_a_misspelt_parameter, "lerning_rate"),
    ],
)
def test_bad_input_ends_with_a_sentence(
    make_run: MakeRun, spoil: Callable[[Run], None], message: str
) -> None:
    run = make_run("boxes", steps=5)
    spoil(run)

    done = run.finish()

    assert done.code == Exit.BAD_INPUT
    assert message in done.errors.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_annotations, "No training asset has an annotation to learn from"),
        (with_a_missing_image, "Asset asset-1: nothing is at"),
        (with_an_image_of_another_size, "Asset asset-1 is 40x40 pixels, but the manifest says"),
    ],
)
def test_data_that_nothing_can_be_learned_from_are_bad_input(
    make_run: MakeRun, tmp_path: Path, spoil: Callable[[Run], None], message: str
) -> None:
    run = make_run("boxes")
    spoil(run)
    parameters = Parameters.model_validate(run.parameters)
    with pytest.raises(BadInputError, match=message):
        prepare(Storage(None), parameters, run.assets, tmp_path)


def test_a_run_goes_on_from_the_weights_of_an_earlier_one_if_they_fit(make_run: MakeRun) -> None:
    earlier = make_run("boxes", steps=100)
    assert earlier.finish().code == Exit.DONE
    base = {"WAKELINE_BASE_URI": earlier.output(1).as_uri()}
    few = {**earlier.parameters, "steps": 5, "seed": 4}

    later = Run(earlier.folder / "later", earlier.assets, few, base)
    fresh = Run(earlier.folder / "fresh", earlier.assets, {**few, "fresh": True}, base)
    other = Run(earlier.folder / "other", earlier.assets, {**few, "scale": 0.5}, base)
    found = []
    for run in (later, fresh, other):
        run.folder.mkdir()
        done = run.finish()
        assert done.code == Exit.DONE, done.errors
        found.append(done.json("metrics.json"))

    card = ModelCard.model_validate_json((earlier.output(1) / "card.json").read_bytes())
    assert [metrics["began_with"] for metrics in found] == [card.digest, None, None]
    assert found[0]["holdout"]["ap50"] > found[1]["holdout"]["ap50"] + 0.2
