import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_geometry.agreement import agreement, benchmark_score, compare, mean_agreement
from wakeline_geometry.shapes import Box, Classification, Geometry, Shape

from .strategies import SIZE, boxes, rectangle, shapes

sound_shapes = shapes(st.one_of(boxes(), st.just(Classification()), st.just(rectangle(3, 4, 9, 9))))


def shape(geometry: Geometry, class_name: str = "hull", number: int = 0) -> Shape:
    return Shape(id=f"s{number}", class_name=class_name, geometry=geometry)


LEFT, RIGHT = Box(corners=(0, 0, 10, 10)), Box(corners=(20, 0, 30, 10))


@given(shapes(), shapes())
def test_agreement_is_symmetric_and_bounded(a: list[Shape], b: list[Shape]) -> None:
    score = agreement(a, b, SIZE)
    assert 0 <= score <= 1
    assert score == pytest.approx(agreement(b, a, SIZE))


@given(sound_shapes, st.randoms())
def test_a_label_agrees_wholly_with_itself_in_any_order(label: list[Shape], random: object) -> None:
    shuffled = list(label)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types it as Random
    assert agreement(label, shuffled, SIZE) == pytest.approx(1)


@given(sound_shapes.filter(bool))
def test_a_missed_shape_costs_its_share(label: list[Shape]) -> None:
    assert agreement(label, label[1:], SIZE) == pytest.approx((len(label) - 1) / len(label))


def test_two_empty_labels_agree() -> None:
    assert agreement([], [], SIZE) == 1


def test_an_empty_label_agrees_with_nothing_else() -> None:
    assert agreement([], [shape(LEFT)], SIZE) == 0


def test_another_class_is_another_object() -> None:
    result = compare([shape(LEFT)], [shape(LEFT, "wake")], SIZE)
    assert (result.score, result.pairs, result.only_left, result.only_right) == (0, (), (0,), (0,))


def test_the_whole_matching_is_best_not_each_pair() -> None:
    a = [shape(Box(corners=(0, 0, 10, 10))), shape(Box(corners=(4, 0, 14, 10)))]
    b = [shape(Box(corners=(3, 0, 13, 10))), shape(Box(corners=(9, 0, 19, 10)))]
    pairs = [(pair.left, pair.right) for pair in compare(a, b, SIZE).pairs]
    assert pairs == [(0, 0), (1, 1)]  # greedy would give b[0] to a[1] and leave a[0] with 1/19


def test_score_is_the_overlap_over_the_longer_list() -> None:
    half = Box(corners=(0, 0, 10, 5))
    result = compare([shape(LEFT), shape(RIGHT)], [shape(half)], SIZE)
    assert result.score == pytest.approx(0.5 / 2)
    assert result.only_left == (1,)


def test_classifications_agree_by_class() -> None:
    cloudy, clear = (shape(Classification(), name) for name in ("cloudy", "clear"))
    assert agreement([cloudy], [cloudy], SIZE) == 1
    assert agreement([cloudy], [clear], SIZE) == 0


def test_mean_agreement_is_over_every_pair_of_people() -> None:
    labels = [[shape(LEFT)], [shape(LEFT)], [shape(RIGHT)]]
    assert mean_agreement(labels, SIZE) == pytest.approx(1 / 3)


def test_one_person_cannot_agree() -> None:
    with pytest.raises(ValueError, match="at least two"):
        mean_agreement([[shape(LEFT)]], SIZE)


def test_a_benchmark_is_scored_by_agreement() -> None:
    assert benchmark_score([shape(LEFT)], [shape(LEFT), shape(RIGHT)], SIZE) == pytest.approx(0.5)
