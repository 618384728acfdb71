"""Teams and the people in them: the only place where a person has a name."""

from collections.abc import Collection

from wakeline_labeling.domain.records import Person, Team
from wakeline_labeling.store.documents import document_of, maybe, records_of
from wakeline_storage import BufferedCollection


class MongoTeams:
    """The collections ``teams`` and ``people``."""

    def __init__(self, teams: BufferedCollection, people: BufferedCollection) -> None:
        self._teams = teams
        self._people = people

    async def get(self, team_id: str) -> Team | None:
        return maybe(Team, await self._teams.find_one({"_id": team_id}))

    async def all(self) -> list[Team]:
        return records_of(Team, await self._teams.find({}, sort=[("_id", 1)]))

    async def ids(self) -> set[str]:
        return {row["_id"] for row in await self._teams.find({}, {"_id": 1})}

    async def person(self, person_id: str) -> Person | None:
        return maybe(Person, await self._people.find_one({"_id": person_id}))

    async def people(self, after: str, limit: int, team_id: str | None) -> list[Person]:
        wanted = {"_id": {"$gt": after}} | ({"team_id": team_id} if team_id else {})
        return records_of(Person, await self._people.find(wanted, sort=[("_id", 1)], limit=limit))

    async def members(self, team_id: str) -> list[Person]:
        rows = await self._people.find({"team_id": team_id}, sort=[("_id", 1)])
        return records_of(Person, rows)

    async def count(self, team_ids: Collection[str], role: str) -> int:
        return await self._people.count({"team_id": {"$in": sorted(team_ids)}, "roles": role})

    def put(self, team: Team) -> None:
        self._teams.replace({"_id": team.id}, document_of(team), upsert=True)

    def put_person(self, person: Person) -> None:
        self._people.replace({"_id": person.id}, document_of(person), upsert=True)
