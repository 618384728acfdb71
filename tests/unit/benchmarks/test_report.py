import json
from typing import Any

import pytest
from benchmarks import report
from benchmarks.report import Result, judge


def result(figures: dict[str, Any], **more: Any) -> Result:
    return Result(
        name="relay",
        work="Sending an outbox",
        yardstick="raw sends",
        date="2026-01-01",
        commit="abc1234",
        machine="2 cores",
        seconds=1.5,
        figures=figures,
        **more,
    )


def missed(figures: dict[str, Any], goals: dict[str, Any], either: Any = ()) -> set[str]:
    return {row.figure for row in judge(figures, goals, either) if row.missed}


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [
        (">=", True, False, False),
        ("<=", False, False, True),
        (">", True, True, False),
        ("<", False, True, True),
        ("==", True, False, True),
    ],
)
def test_a_goal_is_missed_on_its_wrong_side(
    sign: str, below: bool, equal: bool, above: bool
) -> None:
    goals = {"ratio": (sign, 0.5)}
    verdicts = [bool(missed({"ratio": value}, goals)) for value in (0.4, 0.5, 0.6)]
    assert verdicts == [below, equal, above]


def test_what_was_not_measured_is_missed() -> None:
    assert missed({"other": 1}, {"ratio": (">=", 0.5)}) == {"ratio"}
    assert missed({"ratio": None}, {"ratio": ("<=", 0.5)}) == {"ratio"}


def test_a_figure_without_a_goal_is_never_missed() -> None:
    assert missed({"ratio": 0.6, "seconds": 99.0}, {"ratio": (">=", 0.5)}) == set()


def test_one_goal_of_a_group_is_enough() -> None:
    goals = {"per_second": (">=", 8_000.0), "ratio": (">=", 0.2), "lost": ("==", 0)}
    group = [("per_second", "ratio")]
    assert missed({"per_second": 100, "ratio": 0.3, "lost": 0}, goals, group) == set()
    assert missed({"per_second": 9_000, "ratio": 0.1, "lost": 1}, goals, group) == {"lost"}
    assert missed({"per_second": 100, "ratio": 0.1, "lost": 0}, goals, group) == {
        "per_second",
        "ratio",
    }


def test_a_goal_that_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="no comparison"):
        judge({"ratio": 1}, {"ratio": ("about", 1)})
    with pytest.raises(ValueError, match="no goal for rate"):
        judge({"rate": 1, "ratio": 1}, {"ratio": (">=", 1)}, [("ratio", "rate")])


def test_the_table_says_missed_beside_the_figure_and_nowhere_else() -> None:
    goals = {"ratio": (">=", 0.5), "lost": ("==", 0)}
    lines = report.as_text([result({"ratio": 0.4, "lost": 0}, goals=goals)]).splitlines()
    assert [line.split()[1:3] for line in lines if report.MISSED in line] == [["ratio", "0.4"]]


def test_a_benchmark_that_failed_is_missed_with_its_reason() -> None:
    failed = result({}, error="OSError: no mongod")
    assert failed.missed
    (line,) = [line for line in report.as_text([failed]).splitlines() if "OSError" in line]
    assert line.endswith(report.MISSED)


def test_the_readme_shows_goals_with_date_and_commit_and_states_the_rest() -> None:
    goals = {"ratio": (">=", 0.5), "rate": (">=", 8_000.0)}
    figures = {"ratio": 0.4, "rate": 12_345.6, "bare": 20.0}
    text = report.as_markdown([result(figures, goals=goals)])
    assert "| `ratio` | >= 0.5 | 0.4 **MISSED** | 2026-01-01 | abc1234 |" in text
    assert "| `rate` | >= 8,000 | 12,346 | 2026-01-01 | abc1234 |" in text
    assert "| relay | bare 20.0 |" in text
    assert "Measured on: 2 cores." in text


def test_a_result_is_the_same_after_json() -> None:
    goals = {"ratio": (">=", 0.5)}
    before = result({"ratio": 0.4}, goals=goals)
    document = json.loads(json.dumps(before.document()))
    assert document["missed"] == ["ratio"]
    assert Result.of_document(document).rows == before.rows
