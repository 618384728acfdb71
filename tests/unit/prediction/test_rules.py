import numpy as np
import pytest

from wakeline_events.configuration import Ontology
from wakeline_geometry.shapes import AttributeValue, Box
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.domain.errors import PredictorRefusedError
from wakeline_prediction.ports import Picture, Predictor, Question
from wakeline_prediction.predictors import ndvi, threshold
from wakeline_prediction.predictors.rules import Rule

from .scenes import field, grey_scene

THRESHOLD = Rule("heuristic.threshold", threshold.segment, threshold.ThresholdParameters)
NDVI = Rule("heuristic.ndvi", ndvi.segment, ndvi.NdviParameters)
CROWD = [(20 + 38 * x, 22 + 38 * y, 15) for x in range(16) for y in range(12)]


def question(picture: Picture, *kinds: str, **parameters: AttributeValue) -> Question:
    async def read() -> Picture:
        return picture

    words = {"classes": [{"name": name, "kinds": kinds or ["mask"]} for name in ("a", "b")]}
    candidate = Candidate(predictor="rule", version="1", parameters=parameters)
    return Question(candidate, Ontology.model_validate(words), read)


async def test_shapes_are_of_the_class_and_kind_that_the_stage_wants() -> None:
    picture = Picture(grey_scene((60, 80), [(30, 30, 9)]), ("grey",))
    (shape,) = (await THRESHOLD.predict(question(picture, "box"))).shapes
    assert (shape.class_name, type(shape.geometry)) == ("a", Box)
    (shape,) = (await THRESHOLD.predict(question(picture, "box", class_name="b"))).shapes
    assert shape.class_name == "b"


async def test_a_misspelt_parameter_is_refused_with_its_name() -> None:
    picture = Picture(np.zeros((4, 4, 1), np.float32), ("grey",))
    with pytest.raises(PredictorRefusedError, match="polarety") as refused:
        await THRESHOLD.predict(question(picture, polarety="dark"))
    assert refused.value.code == "invalid-parameters"


async def test_shapes_below_the_least_score_are_not_shown() -> None:
    picture = Picture(grey_scene((60, 80), [(30, 30, 9)], noise=0.2), ("grey",))
    every = (await THRESHOLD.predict(question(picture))).shapes
    some = (await THRESHOLD.predict(question(picture, least_score=0.5))).shapes
    assert len(some) < len(every)
    assert all(shape.score >= 0.5 for shape in some)


@pytest.mark.parametrize(
    ("rule", "picture"),
    [
        (THRESHOLD, Picture(grey_scene((480, 640), CROWD[::4]), ("grey",))),
        (NDVI, Picture(field((480, 640), CROWD[::4]), ("red", "nir"))),
    ],
    ids=["threshold", "ndvi"],
)
async def test_a_crowd_is_told_apart(rule: Predictor, picture: Picture) -> None:
    assert len((await rule.predict(question(picture))).shapes) > 40
