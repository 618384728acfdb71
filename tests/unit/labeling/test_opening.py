"""What is opened for an asset: arms, pairs, hold-out and benchmark tasks."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.labeling.cases import NOW, SECRET, asset, stage, terms

from wakeline_geometry.shapes import Annotation, Box, Classification
from wakeline_labeling.domain import arms, holdout, names, opening, queueing
from wakeline_labeling.domain.errors import NoSuchLeaseError
from wakeline_labeling.domain.records import Answer


def ordinary() -> int:
    """The number of an asset whose group is no hold-out."""
    return next(n for n in range(100) if holdout.rank("crops", f"g{n}") >= 0.2)


def unseen() -> int:
    """The number of an asset whose group is hold-out."""
    return next(n for n in range(100) if holdout.rank("crops", f"g{n}") < 0.2)


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_rank_of_a_group_is_its_hash(dataset: str, group: str) -> None:
    digest = hashlib.sha256(f"{dataset}|{group}".encode()).hexdigest()
    assert holdout.rank(dataset, group) == pytest.approx(int(digest, 16) / 2**256)
    assert 0 <= holdout.rank(dataset, group) < 1


def test_groups_of_lowest_rank_are_holdout_however_high_that_is() -> None:
    assert holdout.is_presumed(0.1, 0.2, "g", ())
    assert holdout.is_presumed(0.9, 0.2, "g", ("g",))
    assert not holdout.is_presumed(0.9, 0.2, "g", ("h",))
    assert not holdout.is_presumed(0.2, 0.2, "g", ())


def test_a_task_is_about_the_places_of_a_label_until_they_are_too_many_to_carry() -> None:
    box = Annotation(id="a", class_name="weed", geometry=Box(corners=(1, 2, 9, 8)))
    said = Annotation(id="b", class_name="weed", geometry=Classification())
    assert opening.regions_around([box, said]) == ((1, 2, 9, 8),)
    assert len(opening.regions_around([box] * opening.MOST_REGIONS)) == opening.MOST_REGIONS
    assert opening.regions_around([box] * (opening.MOST_REGIONS + 1)) == ()


def test_the_share_of_the_control_arm_is_the_policys() -> None:
    drawn = [arms.assign(SECRET, f"task {n}", 0.25).arm for n in range(4_000)]
    assert drawn.count("control") == pytest.approx(1_000, abs=110)  # four standard deviations
    assert {arms.assign(SECRET, "t", 0.0).arm, arms.assign(SECRET, "t", 1.0).arm} == {
        "assisted",
        "control",
    }


def test_an_arm_is_the_same_whenever_it_is_drawn_and_another_with_another_secret() -> None:
    first = [arms.assign(SECRET, f"{n}", 0.5) for n in range(64)]
    assert first == [arms.assign(SECRET, f"{n}", 0.5) for n in range(64)]
    assert first != [arms.assign(b"other", f"{n}", 0.5) for n in range(64)]


def test_an_ordinary_task_has_a_slot_for_every_label_in_one_arm() -> None:
    opened = opening.open_task(stage(n_labels=3), asset(ordinary()), terms())
    assert [slot.number for slot in opened.slots] == [0, 1, 2]
    assert len({slot.arm for slot in opened.slots}) == 1
    assert {slot.p_control for slot in opened.slots} == {0.25}
    assert all(slot.counts and slot.siblings == 3 for slot in opened.slots)
    assert {slot.state for slot in opened.slots} == {"queued"}
    assert opened.task.arm == opened.slots[0].arm


def test_a_holdout_task_wants_one_unassisted_label_before_all_others_and_at_once() -> None:
    opened = opening.open_task(stage(n_labels=3), asset(unseen()), terms(paired=True))
    (slot,) = opened.slots
    assert (slot.arm, slot.p_control, slot.counts) == ("holdout", 0.0, True)
    assert slot.priority == 50 + queueing.HOLDOUT_AHEAD
    assert slot.ready_at == NOW
    assert opened.task.holdout
    assert not opened.task.paired


def test_of_a_pair_the_assisted_label_counts_and_the_control_waits_for_it() -> None:
    opened = opening.open_task(stage(), asset(ordinary()), terms(paired=True))
    first, second = opened.slots
    assert (first.arm, first.counts, first.state) == ("assisted", True, "queued")
    assert (second.arm, second.counts, second.state) == ("control", False, "held")
    assert {first.p_control, second.p_control} == {0.5}
    assert (first.rank, first.priority) == (second.rank, second.priority)


def test_few_assets_are_paired_unless_nothing_is_measured() -> None:
    assert opening.is_paired(stage(paired_below=50), 49)
    assert not opening.is_paired(stage(paired_below=50), 50)
    assert not opening.is_paired(stage(paired_below=50, control_share=0), 3)


def test_a_benchmark_task_counts_for_nobody_and_shows_nothing() -> None:
    opened = opening.open_task(stage(), asset(unseen()), terms(paired=True), benchmark=True)
    (slot,) = opened.slots
    assert (slot.arm, slot.counts, slot.p_control) == ("benchmark", False, 0.0)
    assert slot.queue == "field/weeds#benchmark"
    assert slot.priority == 50  # looks like any other
    assert not opened.task.holdout


def test_a_task_waits_for_its_predictors_only_if_it_has_any_and_they_are_silent() -> None:
    number = asset(ordinary())
    (waits,) = opening.open_task(stage(prelabel_wait_seconds=60), number, terms()).slots
    assert waits.ready_at == NOW + timedelta(seconds=60)
    (nobody,) = opening.open_task(stage(predictors=[]), number, terms()).slots
    assert nobody.ready_at == NOW
    heard = Answer(epoch=1, uncertainty=0.25)
    (answered,) = opening.open_task(stage(), number, terms(), answer=heard).slots
    assert (answered.ready_at, answered.rank) == (NOW, 0.75)


def test_the_same_asset_is_opened_the_same_way_by_whoever_opens_it() -> None:
    again = [opening.open_task(stage(), asset(n), terms(paired=True)) for n in range(20)]
    assert again == [opening.open_task(stage(), asset(n), terms(paired=True)) for n in range(20)]


def test_ranks_follow_the_order_of_the_stage() -> None:
    assert queueing.rank_of("uncertainty", 0.9, 0.5, NOW) < queueing.rank_of(
        "uncertainty", 0.1, 0.5, NOW
    )
    assert queueing.rank_of("uncertainty", None, 0.0, NOW) > queueing.rank_of(
        "uncertainty", 0.0, 0.9, NOW
    )
    assert queueing.rank_of("random", 0.9, 0.5, NOW) == 0.5
    later = NOW + timedelta(milliseconds=1)
    assert queueing.rank_of("fifo", 0.9, 0.5, NOW) < queueing.rank_of("fifo", 0.1, 0.5, later)


def test_names_are_read_as_they_are_made() -> None:
    task = names.task_id("field/weeds", "crops:1")
    assert len(task) == 24
    lease = names.lease_id(task, "ann", 7)
    assert names.lease_name(lease, "ann") == (task, "ann", 7)
    with pytest.raises(NoSuchLeaseError):
        names.lease_name(lease, "bob")
    former = names.former_lease_id(names.slot_id(task, 2), 7)
    assert names.lease_name(former, "ann") == (task, "ann", 7)
