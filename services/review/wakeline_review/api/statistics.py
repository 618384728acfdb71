"""Routes of how people do: for managers of everybody, for a labeler of themselves."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from wakeline_auth import Permission
from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_review.api.dependencies import Anyone, ReviewReader
from wakeline_review.domain import statistics
from wakeline_review.domain.errors import TooManyDaysError
from wakeline_review.domain.statistics import By, Summary

router = Router(prefix="/v1/statistics", tags=["statistics"])

ROWS = 100_000
"""Days of people, a person, stage and day each, that one answer is made of at most."""


class PeopleOut(BaseModel):
    """How people did; what cannot be said of nothing is null."""

    name: str
    """The person, team, stage or day that the line is about."""
    labels: int
    seconds: float
    median_seconds: float | None
    p90_seconds: float | None
    accepted: int
    corrected: int
    rejected: int
    unreviewed: int
    benchmarks: int
    mean_benchmark_score: float | None
    compared: int
    mean_people_agreement: float | None
    assisted: int
    unchanged_share: float | None
    cost: float | None

    @classmethod
    def of(cls, name: str, summary: Summary) -> "PeopleOut":
        """One line of the table."""
        return cls(name=name, **summary._asdict())


@router.get("/people", responses=problems(TooManyDaysError))
async def read_people(
    project: str,
    caller: Anyone,
    reader: ReviewReader,
    by: By = "person",
    stage: str | None = None,
    team: str | None = None,
    person: str | None = None,
    since: Annotated[date | None, Query(description="First day, in UTC; 30 days ago.")] = None,
    until: Annotated[date | None, Query(description="Last day, in UTC; today.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[PeopleOut]:
    """How people did, by person, team, stage or day. Others than managers see themselves alone."""
    everybody = caller.may(Permission.READ_STATISTICS)
    last = until or datetime.now(UTC).date()
    days = await reader.days.between(
        project,
        (since or last - timedelta(days=30)).isoformat(),
        last.isoformat(),
        ROWS,
        stage_id=f"{project}/{stage}" if stage else None,
        person_id=person if everybody else caller.person_id,
        team_id=team,
    )
    if len(days) == ROWS:
        raise TooManyDaysError(
            f"more than {ROWS} days of people: ask for fewer days, one stage or one team"
        )
    lines = statistics.grouped(days, by)
    after = decode_cursor(cursor, str)[0] if cursor else None
    names = [name for name in lines if after is None or name > after]
    rates = await reader.teams.rates() if everybody else {}
    items = [PeopleOut.of(n, statistics.summary(lines[n], rates)) for n in names[:limit]]
    following = encode_cursor(names[limit - 1]) if len(names) > limit else None
    return Page(items=items, next=following)
