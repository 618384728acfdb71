"""What a simulated person does with an image, with and without pre-labels."""

from collections import Counter

import numpy as np
import pytest
from tests.unit.demo.scenes import (
    CLASSES,
    FAULTLESS,
    SIZE,
    USUAL,
    disc,
    elsewhere,
    luck,
    person,
    shown,
    truth,
)

from wakeline_demo.effort import Errors, Step, seconds
from wakeline_demo.person import Person, as_shown, drawn_as
from wakeline_geometry.agreement import agreement
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Annotation, Classification, Point, Predicted


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_without_pre_labels_everything_is_found_and_drawn(kind: str) -> None:
    objects = truth(1, kind)
    outcome = person().label(objects, [], SIZE, luck(1))
    assert _kinds(outcome.steps) == {"open": 1, "find": 4, "draw": 4}
    assert {a.origin for a in outcome.annotations} == {"drawn"}
    assert all(a.prelabel_id is None for a in outcome.annotations)
    assert [a.class_name for a in outcome.annotations] == [o.class_name for o in objects]
    assert {s.drawn for s in outcome.steps if s.kind == "draw"} == {kind}


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_perfect_pre_labels_are_confirmed_as_they_are(kind: str) -> None:
    objects = truth(2, kind)
    outcome = person().label(objects, shown(objects), SIZE, luck(2))
    assert _kinds(outcome.steps) == {"open": 1, "confirm": 4}
    by_prelabel = {a.prelabel_id: a.geometry for a in outcome.annotations}
    assert by_prelabel == {p.id: p.geometry for p in shown(objects)}


def test_no_pre_labels_to_show_cost_exactly_what_the_control_arm_costs() -> None:
    for seed in range(50):
        objects = truth(seed)
        someone = person(USUAL)
        empty = someone.label(objects, shown([]), SIZE, luck(seed))
        control = someone.label(objects, [], SIZE, luck(seed))
        assert empty == control


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_pre_labels_of_another_image_cost_more_than_none(kind: str) -> None:
    wrong, none = [], []
    for seed in range(60):
        objects, others = truth(seed, kind), shown(elsewhere(seed, kind))
        wrong.append(seconds(person(USUAL).label(objects, others, SIZE, luck(seed)).steps))
        none.append(seconds(person(USUAL).label(objects, [], SIZE, luck(seed)).steps))
    assert np.mean(wrong) > np.mean(none)


def test_good_pre_labels_cost_less_than_none() -> None:
    helped, alone = [], []
    for seed in range(20):
        objects = truth(seed)
        helped.append(seconds(person(USUAL).label(objects, shown(objects), SIZE, luck(seed)).steps))
        alone.append(seconds(person(USUAL).label(objects, [], SIZE, luck(seed)).steps))
    assert np.mean(helped) < np.mean(alone) / 2


def test_a_pre_label_that_is_somewhat_off_is_edited_at_its_iou() -> None:
    objects = [Annotation(id="t", class_name="weed", geometry=disc(80, 60, 20))]
    off = [Predicted(id="s", class_name="weed", geometry=disc(87, 60, 20))]
    expected = float(pairwise_iou([objects[0].geometry], [off[0].geometry], SIZE)[0, 0])
    assert 0.5 < expected < 0.85
    outcome = person().label(objects, off, SIZE, luck(3))
    assert outcome.steps == (Step("open"), Step("edit", "mask", expected))
    (annotation,) = outcome.annotations
    assert annotation.prelabel_id == "s"
    assert annotation.geometry != off[0].geometry


def test_a_pre_label_that_is_far_off_is_removed_and_the_object_drawn() -> None:
    objects = [Annotation(id="t", class_name="weed", geometry=disc(60, 60, 20))]
    off = [Predicted(id="s", class_name="weed", geometry=disc(90, 60, 20))]
    outcome = person().label(objects, off, SIZE, luck(4))
    assert [step.kind for step in outcome.steps] == ["open", "remove", "find", "draw"]


def test_a_pre_label_of_nothing_is_removed() -> None:
    outcome = person().label([], shown(truth(5)), SIZE, luck(5))
    assert _kinds(outcome.steps) == {"open": 1, "remove": 4}
    assert outcome.annotations == ()


def test_the_better_of_two_pre_labels_of_one_object_is_kept() -> None:
    objects = [Annotation(id="t", class_name="weed", geometry=disc(80, 60, 20))]
    doubled = [
        Predicted(id="worse", class_name="weed", geometry=disc(82, 60, 20)),
        Predicted(id="better", class_name="weed", geometry=disc(80, 60, 20)),
    ]
    outcome = person().label(objects, doubled, SIZE, luck(6))
    assert _kinds(outcome.steps) == {"open": 1, "confirm": 1, "remove": 1}
    assert [a.prelabel_id for a in outcome.annotations] == ["better"]


def test_a_wrong_class_is_changed_and_the_shape_kept() -> None:
    objects = [Annotation(id="t", class_name="weed", geometry=disc(80, 60, 20))]
    wrong = [Predicted(id="s", class_name="crop", geometry=objects[0].geometry)]
    outcome = person().label(objects, wrong, SIZE, luck(7))
    assert _kinds(outcome.steps) == {"open": 1, "change-class": 1}
    assert outcome.annotations[0].class_name == "weed"
    assert outcome.annotations[0].geometry == objects[0].geometry


def test_every_shown_pre_label_costs_at_least_a_look() -> None:
    for seed in range(30):
        pre_labels = shown(truth(500 + seed))
        outcome = person(USUAL).label(truth(seed), pre_labels, SIZE, luck(seed))
        looks = [s for s in outcome.steps if s.kind not in ("open", "find", "draw")]
        assert len(looks) == len(pre_labels)
        assert all(seconds([step]) >= 1.8 for step in looks)


def test_an_anchored_person_accepts_what_should_go() -> None:
    gullible = person(Errors(miss=0, confuse=0, mask_iou=0.92, box_iou=0.9, anchor=1))
    outcome = gullible.label([], shown(truth(8)), SIZE, luck(8))
    assert _kinds(outcome.steps) == {"open": 1, "confirm": 4}
    assert len(outcome.annotations) == 4


def test_an_object_beside_pre_labeled_ones_is_overlooked_more_often() -> None:
    careless = person(Errors(miss=0.2, confuse=0, mask_iou=0.92, box_iou=0.9, anchor=0))
    alone, beside = 0, 0
    for seed in range(800):
        objects = truth(0, "box")
        alone += 4 - len(careless.label(objects, [], SIZE, luck(seed)).annotations)
        with_two = careless.label(objects, shown(objects[:2]), SIZE, luck(seed, 1))
        beside += 4 - len(with_two.annotations)
    assert alone / (800 * 4) == pytest.approx(0.2, abs=0.03)
    assert beside / (800 * 2) == pytest.approx(0.3, abs=0.04)


def test_classes_are_confused_as_often_as_the_person_errs() -> None:
    confused = Person(Errors(0, 0.3, 0.92, 0.9, 0), CLASSES)
    names = [
        (a.class_name, o.class_name)
        for seed in range(300)
        for objects in [truth(0, "box")]
        for a, o in zip(
            confused.label(objects, [], SIZE, luck(seed)).annotations, objects, strict=True
        )
    ]
    assert np.mean([one != other for one, other in names]) == pytest.approx(0.3, abs=0.04)


def test_a_reviewer_who_sees_a_faultless_label_confirms_all_of_it() -> None:
    label = person().label(truth(9), shown(truth(9)), SIZE, luck(9)).annotations
    outcome = person().label(truth(9), as_shown(label), SIZE, luck(10))
    assert _kinds(outcome.steps) == {"open": 1, "confirm": 4}
    assert agreement(label, outcome.annotations, SIZE) == pytest.approx(1.0)


def test_the_same_luck_makes_the_same_label() -> None:
    one, other = (person(USUAL).label(truth(3), shown(truth(4)), SIZE, luck(11)) for _ in range(2))
    assert one == other


def test_points_and_statements_are_drawn_as_what_they_are() -> None:
    assert drawn_as(Point(at=(1.0, 2.0))) == "point"
    assert drawn_as(Classification()) == "classification"
    assert FAULTLESS.anchor == 0


def _kinds(steps: tuple[Step, ...]) -> dict[str, int]:
    return dict(Counter(step.kind for step in steps))
