from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_geometry.effort import measure, same_geometry
from wakeline_geometry.shapes import (
    Annotation,
    Box,
    Classification,
    Geometry,
    Mask,
    Origin,
    Point,
    Polygon,
    Shape,
)

from .strategies import SIZE, geometries, rectangle, shapes

SQUARE = Box(corners=(0, 0, 10, 10))
HALF = Box(corners=(0, 0, 10, 5))


def shown(geometry: Geometry = SQUARE, number: int = 0, **fields: Any) -> Shape:
    return Shape(**{"id": f"p{number}", "class_name": "hull", "geometry": geometry, **fields})


def submitted(
    geometry: Geometry = SQUARE, prelabel_id: str | None = "p0", number: int = 0, **fields: Any
) -> Annotation:
    known = {"id": f"a{number}", "class_name": "hull", "geometry": geometry}
    return Annotation(**{**known, "prelabel_id": prelabel_id, **fields})


def as_shown(prelabel: list[Shape]) -> list[Annotation]:
    return [
        Annotation(**{**shape.model_dump(), "id": f"a{i}", "prelabel_id": shape.id})
        for i, shape in enumerate(prelabel)
    ]


@given(shapes())
def test_what_comes_back_as_it_was_shown_is_confirmed(prelabel: list[Shape]) -> None:
    effort = measure(prelabel, as_shown(prelabel), SIZE)
    assert effort.confirmed == len(prelabel)
    assert (effort.edited, effort.drawn, effort.removed) == (0, 0, ())
    assert {annotation.origin for annotation in effort.annotations} <= {"confirmed"}


@given(shapes(), st.data())
def test_every_annotation_and_every_shown_shape_is_counted_once(
    prelabel: list[Shape], data: st.DataObject
) -> None:
    taken = [a for a in as_shown(prelabel) if data.draw(st.booleans())]
    changed = [
        a.model_copy(update={"geometry": data.draw(geometries)}) if data.draw(st.booleans()) else a
        for a in taken
    ]
    new = [submitted(prelabel_id=None, number=100 + i) for i in range(data.draw(st.integers(0, 3)))]
    label = data.draw(st.permutations([*changed, *new]))
    effort = measure(prelabel, label, SIZE)
    assert effort.confirmed + effort.edited + effort.drawn == len(label)
    assert effort.confirmed + effort.edited + len(effort.removed) == len(prelabel)
    assert [a.id for a in effort.annotations] == [a.id for a in label]
    assert all(0 <= edit.iou <= 1 + 1e-12 for edit in effort.edits)


@pytest.mark.parametrize("claimed", ["drawn", "confirmed", "edited"])
def test_the_origin_that_the_client_claims_is_not_believed(claimed: Origin) -> None:
    label = [submitted(HALF, origin=claimed), submitted(SQUARE, None, 1, origin=claimed)]
    effort = measure([shown()], label, SIZE)
    assert [annotation.origin for annotation in effort.annotations] == ["edited", "drawn"]


def test_an_edit_says_how_much_was_left_of_the_shown_shape() -> None:
    [edit] = measure([shown()], [submitted(HALF)], SIZE).edits
    assert edit.iou == pytest.approx(0.5)
    assert (edit.annotation_id, edit.prelabel_id) == ("a0", "p0")
    assert not edit.class_changed
    assert not edit.attributes_changed


def test_another_class_alone_is_an_edit_that_left_the_geometry() -> None:
    [edit] = measure([shown()], [submitted(class_name="wake")], SIZE).edits
    assert (edit.iou, edit.class_changed, edit.attributes_changed) == (1, True, False)


def test_another_attribute_alone_is_an_edit_that_left_the_geometry() -> None:
    [edit] = measure([shown()], [submitted(attributes={"moored": True})], SIZE).edits
    assert (edit.iou, edit.class_changed, edit.attributes_changed) == (1, False, True)


def test_a_box_made_into_a_mask_is_an_edit() -> None:
    [edit] = measure([shown()], [submitted(rectangle(0, 0, 10, 5))], SIZE).edits
    assert edit.iou == pytest.approx(0.5)


def test_what_nothing_names_was_removed() -> None:
    prelabel = [shown(number=0), shown(HALF, number=1), shown(number=2)]
    assert measure(prelabel, [submitted(HALF, "p1")], SIZE).removed == ("p0", "p2")


def test_a_control_task_has_only_drawn_annotations() -> None:
    effort = measure([], [submitted(prelabel_id=None)], SIZE)
    assert (effort.drawn, effort.confirmed, effort.edited, effort.removed) == (1, 0, 0, ())


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ([submitted(prelabel_id="p9")], "a0 comes from shape p9, which was not shown"),
        ([submitted(), submitted(HALF, number=1)], "a0 and a1 both come from shape p0"),
        ([submitted(), submitted(prelabel_id=None)], "two shapes with the id a0"),
        ([submitted(rectangle(0, 0, 3, 3, (9, 9)))], "does not fit an image"),
    ],
)
def test_a_label_that_cannot_have_come_from_this_task_is_refused(
    label: list[Annotation], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure([shown()], label, SIZE)


def test_a_prelabel_with_two_equal_ids_is_refused() -> None:
    with pytest.raises(ValueError, match="pre-label holds two shapes"):
        measure([shown(), shown()], [], SIZE)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (SQUARE, Box(corners=(0, 0, 10, 10.0005)), True),
        (SQUARE, Box(corners=(0, 0, 10, 10.01)), False),
        (SQUARE, rectangle(0, 0, 10, 10), False),
        (rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 10), True),
        (rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 11), False),
        (Mask(size=(1, 10), counts="20035"), Mask(size=(1, 10), counts="235"), True),
        (Polygon(parts=((0, 0, 5, 0, 5, 5),)), Polygon(parts=((0, 0, 5, 0, 5, 5, 0, 5),)), False),
        (Polygon(parts=((0, 0, 5, 0, 5, 5),)), Polygon(parts=((0, 0, 5, 0, 5, 5),) * 2), False),
        (Point(at=(1, 1)), Point(at=(1, 1)), True),
        (Classification(), Classification(), True),
    ],
)
def test_geometries_are_the_same_or_not(a: Geometry, b: Geometry, same: bool) -> None:
    assert same_geometry(a, b) is same
    assert same_geometry(b, a) is same
