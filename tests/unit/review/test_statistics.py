"""How people do is added up from days."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_events.labeling import PinnedPrelabel
from wakeline_review.domain import statistics
from wakeline_review.domain.statistics import WHOLE, Day

from .test_triage import effort, label


def day(person: str = "p", team: str | None = "crew", **counts: int) -> Day:
    return Day(
        project_id="harbour",
        stage_id="harbour/find",
        person_id=person,
        team_id=team,
        day="2026-11-25",
        counts=counts,
        times={"10": counts.get("labels", 0)},
    )


@given(st.floats(0.1, 86_400))
def test_a_time_is_remembered_within_five_percent(seconds: float) -> None:
    found = statistics.percentile({statistics.step_of(seconds): 1}, 0.5)
    assert found is not None
    assert abs(math.log(found / seconds)) < 0.05


def test_a_percentile_is_the_time_below_which_so_many_labels_were_made() -> None:
    times = {statistics.step_of(seconds): n for seconds, n in ((2, 89), (100, 11))}
    assert statistics.percentile(times, 0.5) == pytest.approx(2, rel=0.05)
    assert statistics.percentile(times, 0.9) == pytest.approx(100, rel=0.05)
    assert statistics.percentile({}, 0.5) is None


def test_only_what_was_confirmed_whole_with_a_prelabel_in_sight_is_unchanged() -> None:
    pin = PinnedPrelabel(
        prediction_id="x", predictor="own", predictor_version="1", serving_epoch=1, shown=True
    )
    hidden = pin.model_copy(update={"shown": False})

    def unchanged(**changes: object) -> tuple[int, int]:
        counted = statistics.of_label(label(**changes))
        return counted["assisted"], counted["unchanged"]

    assert unchanged(prelabel=pin, effort=effort(3)) == (1, 1)
    assert unchanged(prelabel=pin, effort=effort(3, 1)) == (1, 0)
    assert unchanged(prelabel=pin, effort=effort()) == (1, 0)
    assert unchanged(prelabel=hidden, effort=effort(3)) == (0, 0)


def test_cost_is_hours_times_the_rate_and_unknown_for_an_unknown_team() -> None:
    days = [day(labels=2, milliseconds=1_800_000)]
    assert statistics.summary(days, {"crew": 24.0}).cost == pytest.approx(12)
    assert statistics.summary(days, {}).cost is None


def test_shares_and_means_of_nothing_are_unknown() -> None:
    empty = statistics.summary([], {})
    assert empty.labels == 0
    assert empty.mean_benchmark_score is None
    assert empty.unchanged_share is None
    scored = statistics.summary([day(benchmarks=2, scores=round(1.5 * WHOLE))], {})
    assert scored.mean_benchmark_score == pytest.approx(0.75)


@given(st.lists(st.sampled_from(["ann", "bob", "cid"]), max_size=8))
def test_the_lines_of_a_table_add_up_to_the_whole(people: list[str]) -> None:
    days = [day(person, labels=1, milliseconds=1_000) for person in people]
    lines = statistics.grouped(days, "person")
    assert list(lines) == sorted(set(people))
    assert sum(statistics.summary(line, {}).labels for line in lines.values()) == len(people)
