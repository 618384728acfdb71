"""Teams and people: every change of a team tells the others all of it."""

from collections.abc import Sequence
from typing import Literal

from wakeline_events.labeling import Member, TeamConfigured
from wakeline_labeling.domain.errors import NoSuchPersonError, NoSuchTeamError
from wakeline_labeling.domain.records import Person, Team
from wakeline_labeling.ports import UnitOfWork


async def put_team(
    uow: UnitOfWork,
    team_id: str,
    *,
    name: str,
    kind: Literal["internal", "vendor"],
    cost_per_hour: float,
) -> Team:
    """Create a team, or change what is said of it."""
    before = await uow.teams.get(team_id)
    team = Team(
        id=team_id,
        name=name,
        kind=kind,
        cost_per_hour=cost_per_hour,
        version=before.version + 1 if before else 1,
    )
    if before is not None and before.model_copy(update={"version": team.version}) == team:
        return before
    uow.teams.put(team)
    _tell(uow, team, await uow.teams.members(team_id))
    return team


async def add_person(
    uow: UnitOfWork,
    person_id: str,
    *,
    name: str,
    email: str | None,
    team_id: str,
    roles: Sequence[str],
) -> Person:
    """Add somebody to a team.

    Raises
    ------
    NoSuchTeamError
    """
    person = Person(
        id=person_id, name=name, email=email, team_id=team_id, roles=tuple(sorted(set(roles)))
    )
    uow.teams.put_person(person)
    await _changed(uow, team_id)
    return person


async def change_person(
    uow: UnitOfWork,
    person_id: str,
    *,
    name: str | None = None,
    email: str | None = None,
    team_id: str | None = None,
    roles: Sequence[str] | None = None,
) -> Person:
    """Change what is not None.

    Raises
    ------
    NoSuchPersonError, NoSuchTeamError
    """
    before = await uow.teams.person(person_id)
    if before is None:
        raise NoSuchPersonError(person_id)
    person = Person(
        id=person_id,
        name=name or before.name,
        email=email or before.email,
        team_id=team_id or before.team_id,
        roles=before.roles if roles is None else tuple(sorted(set(roles))),
    )
    uow.teams.put_person(person)
    for team in sorted({before.team_id, person.team_id}):
        await _changed(uow, team)
    return person


async def _changed(uow: UnitOfWork, team_id: str) -> None:
    before = await uow.teams.get(team_id)
    if before is None:
        raise NoSuchTeamError(team_id)
    team = before.model_copy(update={"version": before.version + 1})
    uow.teams.put(team)
    _tell(uow, team, await uow.teams.members(team_id))


def _tell(uow: UnitOfWork, team: Team, members: Sequence[Person]) -> None:
    uow.emit(configured(team, members))


def configured(team: Team, members: Sequence[Person]) -> TeamConfigured:
    """The event that tells of a team as it is now."""
    return TeamConfigured(
        team_id=team.id,
        version=team.version,
        kind=team.kind,
        cost_per_hour=team.cost_per_hour,
        members=tuple(Member(person_id=p.id, roles=p.roles) for p in members),
    )
