from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from tests.unit.geometry.strategies import geometries

from wakeline_events.configuration import Ontology
from wakeline_geometry.masks import encode
from wakeline_geometry.shapes import (
    Box,
    Classification,
    Geometry,
    GeometryKind,
    Mask,
    Point,
    Polygon,
    Predicted,
)
from wakeline_prediction.domain.errors import CannotAnswerError, PredictorRefusedError
from wakeline_prediction.domain.mapping import class_for, converted, convertible, fit, translated

from .scenes import discs


def ontology(**kinds: list[str]) -> Ontology:
    classes = [{"name": name, "kinds": allowed} for name, allowed in kinds.items()]
    return Ontology.model_validate({"classes": classes})


def predicted(geometry: Any, class_name: str = "cell", **changes: Any) -> Predicted:
    return Predicted(id="p0", class_name=class_name, geometry=geometry, **changes)


DISC = encode(discs((40, 60), (20, 15, 8)))
BOX = Box(corners=(10, 10, 30, 20))


def test_the_first_class_that_takes_an_area_or_a_point_is_taken() -> None:
    words = ontology(good=["classification"], line=["polyline"], cell=["box", "mask"])
    assert class_for(words) == ("cell", "box")
    assert class_for(words, kind="mask") == ("cell", "mask")


def test_a_class_that_is_not_there_is_the_stages_mistake() -> None:
    with pytest.raises(PredictorRefusedError, match="nucleus"):
        class_for(ontology(cell=["mask"]), "nucleus")
    with pytest.raises(PredictorRefusedError, match="box"):
        class_for(ontology(cell=["mask"]), "cell", "box")
    with pytest.raises(CannotAnswerError):
        class_for(ontology(good=["classification"]))


def test_geometry_becomes_coarser_but_never_finer() -> None:
    assert isinstance(converted(DISC, "polygon"), Polygon)
    assert converted(DISC, "box") == Box(corners=(12, 7, 29, 24))
    assert converted(BOX, "point") == Point(at=(20, 15))
    assert converted(BOX, "mask") is None
    assert converted(Point(at=(1, 1)), "box") is None
    assert converted(Classification(), "point") is None


@given(geometries)
def test_whether_geometry_can_be_converted_is_known_before_it_is(geometry: Geometry) -> None:
    for kind in get_args(GeometryKind):
        assert convertible(geometry, kind) == (converted(geometry, kind) is not None), kind


def test_an_empty_mask_can_be_converted_to_nothing() -> None:
    empty = encode(np.zeros((4, 4), bool))
    assert not any(convertible(empty, kind) for kind in ("box", "polygon", "point"))


def test_the_middle_of_a_mask_lies_on_it_also_in_a_crescent() -> None:
    crescent = discs((40, 60), (30, 20, 15)) & ~discs((40, 60), (36, 20, 13))
    point = converted(encode(crescent), "point")
    assert isinstance(point, Point)
    assert crescent[int(point.at[1]), int(point.at[0])]


def test_the_middle_of_any_mask_lies_on_it() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        bitmap = random.random((7, 9)) < random.uniform(0.02, 0.6)
        bitmap[random.integers(7), random.integers(9)] = True
        point = converted(encode(bitmap), "point")
        assert isinstance(point, Point)
        assert bitmap[int(point.at[1]), int(point.at[0])]


def test_what_the_ontology_cannot_show_is_left_out_and_counted() -> None:
    words = ontology(cell=["mask"], tag=["classification"])
    shapes = [
        predicted(DISC),
        predicted(DISC, "alien"),
        predicted(DISC, "alien"),
        predicted(BOX),
        predicted(Classification(), "tag"),
    ]
    fitted = fit(shapes, words, width=60, height=40)
    assert [shape.class_name for shape in fitted.shapes] == ["cell", "tag"]
    assert fitted.dropped == {"unknown-class": 2, "wrong-kind": 1}


def test_masks_are_shown_as_boxes_where_the_class_is_drawn_as_boxes() -> None:
    (shape,) = fit([predicted(DISC)], ontology(cell=["box"]), width=60, height=40).shapes
    assert isinstance(shape.geometry, Box)


def test_shapes_are_cut_at_the_border_or_left_out_beyond_it() -> None:
    words = ontology(cell=["box", "mask"])
    over = predicted(Box(corners=(50, 30, 80, 60)))
    beyond = predicted(Box(corners=(70, 30, 80, 60)))
    other_size = predicted(Mask(size=(2, 2), counts=encode(np.ones((2, 2), bool)).counts))
    fitted = fit([over, beyond, other_size], words, width=60, height=40)
    assert [shape.geometry for shape in fitted.shapes] == [Box(corners=(50, 30, 60, 40))]
    assert fitted.dropped == {"off-image": 2}


def test_only_what_reaches_into_a_focus_region_is_shown() -> None:
    words = ontology(cell=["box"])
    inside, outside = predicted(BOX), predicted(Box(corners=(40, 30, 50, 35)))
    fitted = fit([inside, outside], words, width=60, height=40, regions=[(0, 0, 12, 12)])
    assert fitted.shapes == (inside,)
    assert fitted.dropped == {"off-focus": 1}


def test_attributes_that_the_class_does_not_have_do_not_come_along() -> None:
    shape = predicted(BOX, attributes={"colour": "red"})
    (kept,) = fit([shape], ontology(cell=["box"]), width=60, height=40).shapes
    assert kept.attributes == {}


def test_classes_of_another_model_become_ours_and_what_has_no_name_here_is_counted() -> None:
    theirs = [
        predicted(BOX, "wake", attributes={"length": 3}),
        predicted(BOX, "sea"),
        predicted(DISC, "boat"),
    ]
    found = translated(theirs, {"wake": "ship", "boat": "ship"})
    assert [(shape.class_name, shape.geometry) for shape in found.shapes] == [
        ("ship", BOX),
        ("ship", DISC),
    ]
    assert found.shapes[0].attributes == {}
    assert found.dropped == {"unmapped-class": 1}


def test_without_a_mapping_classes_stay_what_they_are() -> None:
    theirs = predicted(BOX, "wake", attributes={"length": 3})
    assert translated([theirs], {}).shapes == (theirs,)
