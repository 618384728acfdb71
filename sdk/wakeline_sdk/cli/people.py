"""``wakeline team`` and ``wakeline people``."""

from typing import Annotated

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.showing import Columns
from wakeline_sdk.models import Person, Team

TeamId = Annotated[str, typer.Argument(metavar="TEAM", help="Name of the team.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="labeler, reviewer, engineer, manager...; repeatable."),
]

_TEAM: Columns = {
    "team": lambda one: one.team_id,
    "name": lambda one: one.name,
    "kind": lambda one: one.kind,
    "cost an hour": lambda one: one.cost_per_hour,
}
_PERSON: Columns = {
    "person": lambda one: one.person_id,
    "name": lambda one: one.name,
    "email": lambda one: one.email,
    "team": lambda one: one.team_id,
    "roles": lambda one: one.roles,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    team = group(app, "team", "Internal teams and vendors.")
    command(team, "list")(list_teams)
    command(team, "set")(set_team)
    people = group(app, "people", "Who works in which team.")
    command(people, "list")(list_people)
    command(people, "add")(add)
    command(people, "change")(change)


def list_teams(session: Session) -> None:
    """List all teams."""
    session.display.rows(session.client.teams.list(), _TEAM, none="there is no team yet")


def set_team(
    session: Session,
    team: TeamId,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    kind: Annotated[str | None, typer.Option(help="internal or vendor.")] = None,
    cost_per_hour: Annotated[
        float | None, typer.Option(min=0, help="What an hour of work costs.")
    ] = None,
) -> None:
    """Create a team, or change what is given."""
    before = {one.team_id: one for one in session.client.teams.list()}.get(team)
    found = session.client.teams.put(
        team,
        name=name or (before.name if before else team),
        kind=kind or (before.kind if before else "internal"),
        cost_per_hour=cost_per_hour
        if cost_per_hour is not None
        else (before.cost_per_hour if before else 0.0),
    )
    _show_team(session, found)


def list_people(
    session: Session,
    team: Annotated[str | None, typer.Option(help="Of this team only.")] = None,
) -> None:
    """List people."""
    session.display.rows(session.client.people.list(team), _PERSON, none="there is nobody yet")


def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="Of the person.")],
    team: Annotated[str, typer.Option(help="Where they work.")],
    role: Roles = None,
    email: Annotated[str | None, typer.Option(help="Stays in the labeling service.")] = None,
) -> None:
    """Add somebody to a team; the answer names them. A labeler, if no role is given."""
    added = session.client.people.create(name, team_id=team, roles=role or ["labeler"], email=email)
    _show_person(session, added)


def change(
    session: Session,
    person: Annotated[str, typer.Argument(help="As `people list` names them.")],
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    team: Annotated[str | None, typer.Option(help="Another team.")] = None,
    role: Roles = None,
    email: Annotated[str | None, typer.Option(help="A new mail address.")] = None,
) -> None:
    """Change what is given about somebody."""
    changed = session.client.people.change(
        person, name=name, team_id=team, roles=role or None, email=email
    )
    _show_person(session, changed)


def _show_team(session: Session, team: Team) -> None:
    session.display.one(team, {name: value(team) for name, value in _TEAM.items()})


def _show_person(session: Session, person: Person) -> None:
    session.display.one(person, {name: value(person) for name, value in _PERSON.items()})
