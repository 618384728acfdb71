"""What a label may say, and which labels a changed ontology would orphan."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from tests.unit.labeling.cases import document

from wakeline_events import ontology as rules
from wakeline_events.configuration import Ontology
from wakeline_geometry.masks import encode
from wakeline_geometry.shapes import Shape
from wakeline_labeling.domain import ontology

WEEDS = document().ontology


def shape(**changes: Any) -> Shape:
    plain = {
        "id": "a",
        "class_name": "weed",
        "geometry": {"kind": "box", "corners": [1, 1, 9, 9]},
        "attributes": {"stage": "old"},
    }
    return Shape.model_validate(plain | changes)


def problems(*shapes: Shape) -> list[str]:
    return rules.problems_in(shapes, WEEDS, width=100, height=80)


def test_what_fits_has_no_problems() -> None:
    assert problems(shape(), shape(id="b", attributes={"stage": "young", "leaves": 2.5})) == []
    assert problems() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (shape(class_name="tree"), "is of class 'tree'; the ontology has weed, crop"),
        (shape(geometry={"kind": "point", "at": [1, 1]}), "is a point"),
        (shape(attributes={}), "lacks the attribute 'stage'"),
        (shape(attributes={"stage": "dead"}), "should be 'young' or 'old'"),
        (shape(attributes={"stage": "old", "leaves": True}), "should be number"),
        (shape(attributes={"stage": "old", "height": 3}), "has an attribute 'height'"),
        (shape(geometry={"kind": "box", "corners": [1, 1, 300, 9]}), "reaches out of the image"),
        (
            shape(geometry=encode(np.eye(10, dtype=bool)).model_dump()),
            "is a mask of 10 x 10 pixels",
        ),
    ],
    ids=["class", "kind", "missing", "choice", "boolean", "unknown", "outside", "size"],
)
def test_what_does_not_fit_is_said_in_words(wrong: Shape, said: str) -> None:
    assert said in " ".join(problems(wrong))


def test_two_annotations_need_two_ids() -> None:
    assert "two annotations have the id a" in problems(shape(), shape())


def test_a_label_has_an_end() -> None:
    many = [shape(id=str(n)) for n in range(rules.MAX_ANNOTATIONS + 1)]
    assert problems(*many) == ["a label has at most 5000 annotations, not 5001"]


def changed(*classes: dict[str, Any]) -> Ontology:
    return Ontology.model_validate({"classes": list(classes)})


def test_what_a_change_takes_away_is_named_by_the_words_that_labels_use() -> None:
    after = changed({"name": "weed", "kinds": ["mask"], "attributes": [{"name": "stage"}]})
    lost = ontology.lost_words(WEEDS, after)
    assert set(lost) == {"crop", "weed/box", "weed.leaves"}
    used = ontology.words_of([shape(attributes={"leaves": 2})])
    assert set(used) == {"weed", "weed/box", "weed.leaves"}


def test_adding_to_an_ontology_takes_nothing_away() -> None:
    more = WEEDS.model_dump()["classes"]
    assert ontology.lost_words(WEEDS, changed(*more, {"name": "new", "kinds": ["box"]})) == {}


def test_names_with_separators_are_not_taken_for_other_words() -> None:
    slashed = shape(class_name="weed/box", attributes={})
    dotted = shape(class_name="weed.leaves", attributes={})
    assert not {"weed/box", "weed.leaves", "weed"} & set(ontology.words_of([slashed, dotted]))


@pytest.mark.parametrize("count", [rules.MAX_ANNOTATIONS, 100_000])
def test_of_very_many_errors_in_the_annotations_of_a_request_only_the_first_are_made(
    count: int,
) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(rules.Annotations).validate_python([{}] * count)
    assert refusal.value.error_count() < 10
