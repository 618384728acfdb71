"""Routes of teams and people."""

from fastapi import APIRouter

from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_labeling.api.dependencies import Held, LabelingCommand, LabelingReader, TeamManager
from wakeline_labeling.api.models import PersonChange, PersonIn, PersonOut, TeamIn, TeamOut
from wakeline_labeling.domain.errors import NoSuchPersonError, NoSuchTeamError
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import staffing

router: APIRouter = Router(prefix="/v1", tags=["people"])


@router.get("/teams")
async def list_teams(manager: TeamManager, uow: LabelingReader) -> Page[TeamOut]:
    """All teams."""
    return Page(items=[TeamOut.of(team) for team in await uow.teams.all()])


@router.put("/teams/{team_id}")
async def put_team(
    team_id: str, body: TeamIn, manager: TeamManager, command: LabelingCommand
) -> TeamOut:
    """Create a team, or change what is said of it."""

    async def put(uow: LabelingUnitOfWork) -> TeamOut:
        team = await staffing.put_team(
            uow, team_id, name=body.name, kind=body.kind, cost_per_hour=body.cost_per_hour
        )
        return TeamOut.of(team)

    return await command.run(put, TeamOut)


@router.get("/people")
async def list_people(
    manager: TeamManager,
    uow: LabelingReader,
    team_id: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[PersonOut]:
    """A page of people."""
    after = decode_cursor(cursor, str)[0] if cursor else ""
    found = await uow.teams.people(after, limit, team_id)
    following = encode_cursor(found[-1].id) if len(found) == limit else None
    return Page(items=[PersonOut.of(person) for person in found], next=following)


@router.post("/people", status_code=201, responses=problems(NoSuchTeamError))
async def add_person(
    body: PersonIn, manager: TeamManager, command: LabelingCommand, held: Held
) -> PersonOut:
    """Add somebody to a team; the answer names them."""

    async def add(uow: LabelingUnitOfWork) -> PersonOut:
        person = await staffing.add_person(
            uow,
            f"p-{held.desk.new_id()[:16]}",
            name=body.name,
            email=body.email,
            team_id=body.team_id,
            roles=[role.value for role in body.roles],
        )
        return PersonOut.of(person)

    return await command.run(add, PersonOut)


@router.patch("/people/{person_id}", responses=problems(NoSuchPersonError, NoSuchTeamError))
async def change_person(
    person_id: str, body: PersonChange, manager: TeamManager, command: LabelingCommand
) -> PersonOut:
    """Change what is said of somebody, their team and roles included."""

    async def change(uow: LabelingUnitOfWork) -> PersonOut:
        person = await staffing.change_person(
            uow,
            person_id,
            name=body.name,
            email=body.email,
            team_id=body.team_id,
            roles=None if body.roles is None else [role.value for role in body.roles],
        )
        return PersonOut.of(person)

    return await command.run(change, PersonOut)
