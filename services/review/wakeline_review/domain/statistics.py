"""How people do, day by day: counted as it happens, so that nobody ever has to count it again."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from wakeline_events.labeling import LabelCompleted
from wakeline_review.domain.records import Verdict

By = Literal["person", "team", "stage", "day"]
WHOLE = 1_000_000
"""What a score of 1 adds: whole numbers give one sum in whatever order they come."""
STEP = math.log(1.1)
"""Times are kept in steps of 10 %: a median or a percentile is off by 5 % at most."""


class Day(BaseModel):
    """What one person's labels of one day at one stage came to; labels count for their own day."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    project_id: str
    stage_id: str
    person_id: str
    team_id: str | None
    day: str
    """``2026-11-25``, in UTC."""
    counts: dict[str, int] = {}
    """Name of a count or sum, see ``of_label``, ``of_verdict``, ``of_score`` and ``of_peers``."""
    times: dict[str, int] = {}
    """Step of ``step_of`` -> labels that took so long."""


class Summary(NamedTuple):
    """How people did over some days; a share or mean of nothing is None."""

    labels: int
    seconds: float
    """Human time in sum, as the clients measured it, else from lease to submit."""
    median_seconds: float | None
    p90_seconds: float | None
    accepted: int
    corrected: int
    rejected: int
    unreviewed: int
    """Counted as they were, because no expert had to look."""
    benchmarks: int
    mean_benchmark_score: float | None
    compared: int
    """Labels that were compared with other people's of the same task."""
    mean_people_agreement: float | None
    assisted: int
    """Labels made with a pre-label in sight."""
    unchanged_share: float | None
    """Share of these that left every shape as it was shown: near 1 with a low benchmark score,
    somebody only nods."""
    cost: float | None
    """Hours times the team's rate as it is today; None where the team is not known here."""


def of_label(label: LabelCompleted) -> dict[str, int]:
    """What one more label adds."""
    effort = label.effort
    shown = label.prelabel is not None and label.prelabel.shown
    nothing_done = not (effort.edited or effort.drawn or effort.removed)
    return {
        "labels": 1,
        "milliseconds": round(seconds_of(label) * 1000),
        "assisted": int(shown),
        "unchanged": int(shown and effort.confirmed > 0 and nothing_done),
    }


def of_verdict(verdict: Verdict) -> dict[str, int]:
    """What becomes of a label adds to its day."""
    return {verdict: 1}


def of_score(score: float) -> dict[str, int]:
    """What a benchmark score in [0, 1] adds."""
    return {"benchmarks": 1, "scores": round(score * WHOLE)}


def of_peers(agreement: float) -> dict[str, int]:
    """What a comparison with other people's labels, in [0, 1], adds."""
    return {"compared": 1, "agreements": round(agreement * WHOLE)}


def seconds_of(label: LabelCompleted) -> float:
    """Human time of a label in seconds."""
    measured = label.effort.client_seconds
    return label.effort.lease_seconds if measured is None else measured


def step_of(seconds: float) -> int:
    """The step of 10 % that a time falls into; everything below a tenth of a second is one."""
    return math.floor(math.log(max(seconds, 0.1)) / STEP)


def percentile(times: Mapping[int, int], share: float) -> float | None:
    """The time in seconds below which a share, in (0, 1], of the labels were made."""
    wanted, seen = share * sum(times.values()), 0
    for step in sorted(times):
        seen += times[step]
        if seen >= wanted:
            return math.exp((step + 0.5) * STEP)
    return None


def key_of(day: Day, by: By) -> str:
    """Which line of a table a day belongs to."""
    return {
        "person": day.person_id,
        "team": day.team_id or "",
        "stage": day.stage_id,
        "day": day.day,
    }[by]


def summary(days: Sequence[Day], rates: Mapping[str, float]) -> Summary:
    """Add up days.

    Parameters
    ----------
    rates : team -> what an hour of its people costs
    """
    counts: Counter[str] = Counter()
    times: Counter[int] = Counter()
    cost = 0.0
    known = True
    for day in days:
        counts.update(day.counts)
        times.update({int(step): n for step, n in day.times.items()})
        rate = rates.get(day.team_id or "")
        known = known and rate is not None
        cost += day.counts.get("milliseconds", 0) / 3_600_000 * (rate or 0.0)
    return Summary(
        labels=counts["labels"],
        seconds=counts["milliseconds"] / 1000,
        median_seconds=percentile(times, 0.5),
        p90_seconds=percentile(times, 0.9),
        accepted=counts["accepted"],
        corrected=counts["corrected"],
        rejected=counts["rejected"],
        unreviewed=counts["unreviewed"],
        benchmarks=counts["benchmarks"],
        mean_benchmark_score=_mean(counts["scores"], counts["benchmarks"] * WHOLE),
        compared=counts["compared"],
        mean_people_agreement=_mean(counts["agreements"], counts["compared"] * WHOLE),
        assisted=counts["assisted"],
        unchanged_share=_mean(counts["unchanged"], counts["assisted"]),
        cost=cost if known else None,
    )


def grouped(days: Iterable[Day], by: By) -> dict[str, list[Day]]:
    """Days by the line of a table that they belong to, in the order of the lines."""
    found: dict[str, list[Day]] = {}
    for day in days:
        found.setdefault(key_of(day, by), []).append(day)
    return {key: found[key] for key in sorted(found)}


def _mean(total: int, number: int) -> float | None:
    return total / number if number else None
