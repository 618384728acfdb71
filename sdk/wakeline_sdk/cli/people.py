"""``wakeline team`` and ``wakeline people``."""

from datetime import datetime
from typing import Annotated, Literal, cast

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.projects import ProjectId
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

_STATISTICS: Columns = {
    "labels": lambda one: one.labels,
    "median s": lambda one: one.median_seconds,
    "p90 s": lambda one: one.p90_seconds,
    "accepted": lambda one: one.accepted,
    "corrected": lambda one: one.corrected,
    "rejected": lambda one: one.rejected,
    "unreviewed": lambda one: one.unreviewed,
    "benchmarks": lambda one: one.mean_benchmark_score,
    "agreement": lambda one: one.mean_people_agreement,
    "unchanged": lambda one: one.unchanged_share,
    "cost": lambda one: one.cost,
}
By = Literal["person", "team", "stage", "day"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    team = group(app, "team", "Internal teams and vendors.")
    command(team, "list")(list_teams)
    command(team, "set")(set_team)
    people = group(app, "people", "Who works in which team.")
    command(people, "list")(list_people)
    command(people, "add")(add)
    command(people, "change")(change)
    command(people, "stats")(stats)


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


def stats(
    session: Session,
    project: ProjectId,
    by: Annotated[str, typer.Option(help="person, team, stage or day.")] = "person",
    stage: Annotated[str | None, typer.Option(help="Of this stage only.")] = None,
    team: Annotated[str | None, typer.Option(help="Of this team only.")] = None,
    person: Annotated[str | None, typer.Option(help="Of this person only.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; 30 days ago.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; today.")
    ] = None,
) -> None:
    """Show how people did: labels, times, verdicts, agreement, cost. A labeler sees themselves."""
    if by not in ("person", "team", "stage", "day"):
        raise typer.BadParameter("--by takes person, team, stage or day")
    found = session.client.people.statistics(
        project,
        by=cast(By, by),
        stage=stage,
        team=team,
        person=person,
        since=since.date() if since else None,
        until=until.date() if until else None,
    )
    session.display.rows(found, {by: lambda one: one.name, **_STATISTICS}, none="no labels yet")


def _show_team(session: Session, team: Team) -> None:
    session.display.one(team, {name: value(team) for name, value in _TEAM.items()})


def _show_person(session: Session, person: Person) -> None:
    session.display.one(person, {name: value(person) for name, value in _PERSON.items()})
