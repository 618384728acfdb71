"""People's days in MongoDB: one row a stage, person and day, and only ever added to."""

from collections.abc import Mapping
from typing import Any

from wakeline_events.base import PersonId
from wakeline_events.labeling import LabelCompleted, TeamConfigured
from wakeline_review.domain.records import Crew
from wakeline_review.domain.statistics import Day, step_of
from wakeline_storage import BufferedCollection


class MongoDays:
    """The collection ``days``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    def add(
        self, label: LabelCompleted, counts: Mapping[str, int], seconds: float | None = None
    ) -> None:
        """Add to the day on which a label was made, and what time it took if that is new."""
        day = label.submitted_at.date().isoformat()
        row = {
            "project_id": label.project_id,
            "stage_id": label.stage_id,
            "person_id": label.person_id,
            "team_id": label.team_id,
            "day": day,
        }
        more: dict[str, int] = {f"counts.{name}": value for name, value in counts.items()}
        if seconds is not None:
            more[f"times.{step_of(seconds)}"] = 1
        row_id = f"{label.stage_id}|{label.person_id}|{label.team_id or ''}|{day}"
        self._rows.add_up(row_id, more, row)

    async def between(
        self,
        project_id: str,
        first: str,
        last: str,
        limit: int,
        *,
        stage_id: str | None = None,
        person_id: str | None = None,
        team_id: str | None = None,
    ) -> list[Day]:
        """The days of a project from ``first`` to ``last``, both included, at most ``limit``."""
        narrower = {"stage_id": stage_id, "person_id": person_id, "team_id": team_id}
        wanted: dict[str, Any] = {name: value for name, value in narrower.items() if value}
        wanted |= {"project_id": project_id, "day": {"$gte": first, "$lte": last}}
        rows = await self._rows.find(wanted, limit=limit)
        return [Day.model_validate(row) for row in rows]


class MongoTeams:
    """The collection ``teams``: what an hour of each costs, and who is in it."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def rates(self) -> dict[str, float]:
        """Team -> cost of an hour."""
        return {row["_id"]: row["cost_per_hour"] for row in await self._rows.find({})}

    async def crew_of(self, person_id: PersonId, team_id: str | None) -> Crew:
        """Whom somebody works with.

        Parameters
        ----------
        team_id : as the person's token says; if it says nothing, the members of teams are asked
        """
        wanted: dict[str, Any] = {"_id": team_id}
        if team_id is None:
            # Of a team that an earlier release stored nobody knows who is in it: perhaps they are.
            wanted = {"$or": [{"members": person_id}, {"members": {"$exists": False}}]}
        row = await self._rows.find_one(wanted)
        if row is None or "members" not in row:
            return Crew(team_id, internal=row is None and team_id is None)
        return Crew(row["_id"], internal=row["kind"] == "internal")

    def put(self, event: TeamConfigured) -> None:
        """Keep what is said of a team; its events come in order, so the last one is the newest."""
        row = {
            "_id": event.team_id,
            "cost_per_hour": event.cost_per_hour,
            "kind": event.kind,
            "members": [member.person_id for member in event.members],
        }
        self._rows.replace({"_id": event.team_id}, row, upsert=True)
