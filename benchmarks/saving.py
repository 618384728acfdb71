"""Whether the measured saving comes from the pre-labels: right ones, wrong ones and none.

Simulated people (``effort-1``) label the same images four times: without pre-labels, with those
of the stage's heuristic, with those of *another* image, and with empty ones. Right pre-labels must
cost less than none, wrong ones more, and empty ones exactly as much. ``DATA`` names a folder of
images with truth; without it, synthetic fields are made.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakeline_demo import fields, folders
from wakeline_demo.effort import RANGES, Errors, errors_of, seconds
from wakeline_demo.folders import Folder, TrueImage
from wakeline_demo.person import Person
from wakeline_demo.plan import plan_for
from wakeline_events.configuration import Ontology, PredictorChoice
from wakeline_geometry.shapes import Predicted
from wakeline_images import read_stack
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.ports import Picture, Predictor, Question
from wakeline_prediction.predictors import ndvi, threshold
from wakeline_prediction.predictors.rules import Rule

PEOPLE = 5
SEED: int = 7
YARDSTICK = "the same people without pre-labels"
GOALS = {
    "right_ratio": ("<", 1.0),
    "wrong_ratio": (">", 1.0),
    "empty_ratio": ("==", 1.0),
    "saving_is_real": ("==", True),
}


async def measure() -> dict[str, Any]:
    """Label everything four times."""
    given = os.environ.get("DATA")
    with tempfile.TemporaryDirectory() as scratch:
        if given is None:
            fields.write(Path(scratch) / "fields", 16, SEED)
        folder = folders.read(Path(given) if given else Path(scratch) / "fields")
        images = _with_a_twin(folder)
        own = [await _prelabels(folder, image) for image in images]
    wrong = [own[_twin(images, index)] for index in range(len(images))]
    empty: list[tuple[Predicted, ...]] = [()] * len(own)
    control = _mean_seconds(folder, images, empty)
    arms = {
        name: _mean_seconds(folder, images, shown)
        for name, shown in (("right", own), ("wrong", wrong), ("empty", empty))
    }
    return {
        "data": folder.path.name,
        "control_s_per_image": round(control, 1),
        **{f"{name}_s_per_image": round(value, 1) for name, value in arms.items()},
        **{f"{name}_ratio": round(value / control, 3) for name, value in arms.items()},
        "saving_is_real": arms["right"] < control < arms["wrong"] and arms["empty"] == control,
    }


async def _prelabels(folder: Folder, image: TrueImage) -> tuple[Predicted, ...]:
    document = plan_for(folder, "saving", iterations=1, seed=SEED, max_seconds=1).document
    choice = PredictorChoice.model_validate(document["stages"][0]["predictors"][1])
    rules: dict[str, Predictor] = {
        "heuristic.ndvi": Rule("heuristic.ndvi", ndvi.segment, ndvi.NdviParameters),
        "heuristic.threshold": Rule(
            "heuristic.threshold", threshold.segment, threshold.ThresholdParameters
        ),
    }
    bands = {"nir": image.nir.read_bytes()} if image.nir else {}
    stack, channels = read_stack(image.path.read_bytes(), bands)

    async def picture() -> Picture:
        return Picture(stack, channels)

    question = Question(
        candidate=Candidate(predictor=choice.name, version="1", parameters=choice.parameters),
        ontology=Ontology.model_validate(document["ontology"]),
        picture=picture,
    )
    return (await rules[choice.name].predict(question)).shapes


def _with_a_twin(folder: Folder) -> list[TrueImage]:
    """The images of which another has the same size: its pre-labels fit, and are wrong."""
    sizes = [(image.height, image.width) for image in folder.images]
    return [i for i, size in zip(folder.images, sizes, strict=True) if sizes.count(size) > 1]


def _twin(images: Sequence[TrueImage], index: int) -> int:
    """The next image of the same size."""
    size = (images[index].height, images[index].width)
    following: list[int] = [*range(index + 1, len(images)), *range(index)]
    return next(i for i in following if (images[i].height, images[i].width) == size)


def _mean_seconds(
    folder: Folder, images: Sequence[TrueImage], shown: Sequence[Sequence[Predicted]]
) -> float:
    """Seconds per image, over the same people with the same luck in every arm."""
    total = []
    for number in range(PEOPLE):
        errors = _errors(number)
        person = Person(errors, folder.classes)
        for index, (image, shapes) in enumerate(zip(images, shown, strict=True)):
            luck = np.random.default_rng([SEED, number, index])
            outcome = person.label(image.shapes, shapes, (image.height, image.width), luck)
            total.append(seconds(outcome.steps))
    return float(np.mean(total))


def _errors(number: int) -> Errors:
    draws = np.random.default_rng([SEED, number]).random(len(RANGES))
    return errors_of(dict(zip(RANGES, draws, strict=True)), expert=False)
