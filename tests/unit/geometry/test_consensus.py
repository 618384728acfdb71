import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_geometry import masks
from wakeline_geometry.agreement import agreement
from wakeline_geometry.consensus import merge
from wakeline_geometry.shapes import (
    Annotation,
    Box,
    Classification,
    Geometry,
    Mask,
    Point,
    Polygon,
    Polyline,
    Shape,
)

from .strategies import SIZE, boxes, rectangle, shapes

drawn = st.one_of(
    boxes(),
    st.just(Classification()),
    st.just(rectangle(3, 4, 9, 9)),
    st.just(Polygon(parts=((2, 2, 20, 2, 20, 20, 2, 20),))),
    st.just(Point(at=(5, 5))),
    st.just(Polyline(points=(0, 0, 20, 20))),
)


@st.composite
def labels(draw: st.DrawFn) -> list[Annotation]:
    found: list[Shape] = draw(shapes(drawn, max_size=4))
    return [Annotation(**shape.model_dump()) for shape in found]


def one(geometry: Geometry, name: str = "hull", **changes: object) -> Annotation:
    return Annotation.model_validate(
        {"id": "a", "class_name": name, "geometry": geometry.model_dump(), **changes}
    )


def box(x: float, width: float = 10) -> Annotation:
    return one(Box(corners=(x, 0, x + width, 10)))


@given(st.lists(labels(), min_size=1, max_size=4), st.randoms())
def test_the_order_of_people_and_shapes_plays_no_part(
    given_labels: list[list[Annotation]], random: object
) -> None:
    shuffled = [list(label) for label in given_labels]
    for label in shuffled:
        random.shuffle(label)  # type: ignore[attr-defined]  # hypothesis types it as Random
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(shuffled, SIZE) == merge(given_labels, SIZE)


@given(labels(), st.integers(1, 4))
def test_equal_labels_merge_to_themselves(label: list[Annotation], people: int) -> None:
    merged = merge([label] * people, SIZE)
    said = [(a.class_name, a.geometry, a.attributes) for a in merged.annotations]
    assert sorted(map(repr, said)) == sorted(
        repr((a.class_name, a.geometry, a.attributes)) for a in label
    )
    assert set(merged.support) <= {1.0}
    assert merged.left_out == 0


@given(st.lists(labels(), min_size=1, max_size=4))
def test_what_is_kept_was_drawn_by_a_majority(given_labels: list[list[Annotation]]) -> None:
    merged = merge(given_labels, SIZE)
    assert all(0.5 < share <= 1 for share in merged.support)
    assert len(merged.annotations) == len(merged.support)
    assert len({annotation.id for annotation in merged.annotations}) == len(merged.annotations)
    # An object takes more than half of the people, and of each at most one shape.
    assert len(merged.annotations) <= 2 * sum(map(len, given_labels)) / len(given_labels)


def test_boxes_are_fused_corner_by_corner() -> None:
    merged = merge([[box(0)], [box(1)], [box(2, width=13)]], SIZE)
    (fused,) = merged.annotations
    assert isinstance(fused.geometry, Box)
    assert fused.geometry.corners == pytest.approx((1, 0, 12, 10))
    assert merged.support == (1.0,)


def test_what_one_of_three_drew_is_left_out_and_what_two_drew_is_kept() -> None:
    merged = merge([[box(0), box(18)], [box(0)], [box(0), box(18)]], SIZE)
    assert list(merged.support) == [1.0, pytest.approx(2 / 3)]
    assert merge([[box(0)], [], []], SIZE).annotations == ()
    assert merge([[box(0)], []], SIZE).left_out == 1


@pytest.mark.parametrize(
    ("drawn", "kept", "undecided"),  # per person the places of boxes that are 10 wide
    [
        ([[0, 18], [1]], [0.5], [18]),
        ([[0], [18]], [], [0, 18]),
        ([[0], []], [], [0]),
        ([[0, 18], [0], [0]], [0], []),  # one of three: a majority did not draw it
        ([[0, 18], [0, 18], [0], [0]], [0], [18]),
        ([[0, 18], [0, 18], [0, 18], [0]], [0, 18], []),
        ([[0, 18], [0], [0], [0]], [0], []),
        ([[], []], [], []),
    ],
)
def test_what_exactly_half_of_the_people_drew_is_undecided(
    drawn: list[list[float]], kept: list[float], undecided: list[float]
) -> None:
    merged = merge([[box(x) for x in places] for places in drawn], SIZE)
    assert sorted(left_of(each) for each in merged.annotations) == kept
    assert sorted(left_of(each) for each in merged.undecided) == undecided


def left_of(annotation: Annotation) -> float:
    assert isinstance(annotation.geometry, Box)
    return annotation.geometry.corners[0]


def test_two_objects_of_one_person_are_never_one() -> None:
    merged = merge([[box(0), box(3)], [box(0), box(3)], [box(1)]], SIZE)
    assert len(merged.annotations) == 2


def test_masks_are_decided_pixel_by_pixel() -> None:
    bitmaps = np.zeros((3, *SIZE), dtype=bool)
    bitmaps[0, 2:12, 2:12] = True
    bitmaps[1, 2:12, 4:14] = True
    bitmaps[2, 4:14, 2:12] = True
    (fused,) = merge([[one(masks.encode(each))] for each in bitmaps], SIZE).annotations
    assert isinstance(fused.geometry, Mask)
    np.testing.assert_array_equal(masks.decode(fused.geometry), bitmaps.sum(axis=0) >= 2)


@given(st.lists(st.integers(0, 6), min_size=3, max_size=5))
def test_a_majority_of_pixels_is_the_majority_of_bitmaps(offsets: list[int]) -> None:
    members = [rectangle(offset, 2, 18, 12) for offset in offsets]
    (fused,) = merge([[one(member)] for member in members], SIZE).annotations
    assert isinstance(fused.geometry, Mask)
    held = sum(masks.decode(member).astype(int) for member in members)
    np.testing.assert_array_equal(masks.decode(fused.geometry), 2 * held > len(members))


def test_a_class_that_is_drawn_as_polygons_stays_one_of_polygons() -> None:
    rings = (
        (2, 2, 12, 2, 12, 12, 2, 12),
        (3, 2, 13, 2, 13, 12, 3, 12),
        (2, 2, 12, 2, 12, 11, 2, 11),
    )
    drawn_as = [one(Polygon(parts=(ring,))) for ring in rings]
    (fused,) = merge([[each] for each in drawn_as], SIZE).annotations
    assert isinstance(fused.geometry, Polygon)
    assert agreement([fused], [drawn_as[0]], SIZE) > 0.9


def test_points_meet_in_their_mean_and_lines_in_the_most_usual_one() -> None:
    (point,) = merge([[one(Point(at=(x, 4)))] for x in (4, 5, 6)], SIZE).annotations
    assert isinstance(point.geometry, Point)
    assert point.geometry.at == pytest.approx((5, 4))
    lines = [Polyline(points=(0, y, 30, y)) for y in (0, 4, 8)]
    (line,) = merge([[one(line)] for line in lines], SIZE).annotations
    assert line.geometry == lines[1]


def test_classes_and_attributes_are_decided_by_majority() -> None:
    fair, rough = one(Classification(), "buoy"), one(Classification(), "wake")
    (sea,) = merge([[fair], [rough], [fair]], SIZE).annotations
    assert sea.class_name == "buoy"
    stated = [{"wet": True, "count": 1}, {"wet": True, "count": 2}, {"wet": 1, "count": 2}]
    (hull,) = merge([[one(box(0).geometry, attributes=a)] for a in stated], SIZE).annotations
    assert hull.attributes == {"wet": True, "count": 2}
    assert hull.attributes["wet"] is True


def test_a_source_is_kept_only_if_all_name_it() -> None:
    confirmed = one(box(0).geometry, origin="confirmed", prelabel_id="p1")
    edited = one(box(1).geometry, origin="edited", prelabel_id="p1")
    (same,) = merge([[confirmed], [confirmed]], SIZE).annotations
    assert (same.origin, same.prelabel_id) == ("confirmed", "p1")
    (changed,) = merge([[confirmed], [edited]], SIZE).annotations
    assert (changed.origin, changed.prelabel_id) == ("edited", "p1")
    (mixed,) = merge([[confirmed], [box(0)]], SIZE).annotations
    assert (mixed.origin, mixed.prelabel_id) == ("drawn", None)


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="nothing to merge"):
        merge([], SIZE)
