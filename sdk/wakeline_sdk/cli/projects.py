"""``wakeline project``: documents, differences, and how far stages are."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.failing import USAGE, fail, usable
from wakeline_sdk.cli.showing import when
from wakeline_sdk.models import Applied, StageStatus

ProjectId = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    project = group(app, "project", "Ontology, stages and policies over datasets.")
    command(project, "apply")(apply)
    command(project, "list")(list_projects)
    command(project, "show")(show)
    command(project, "status")(status)


def apply(
    session: Session,
    file: Annotated[
        Path, typer.Option("-f", "--file", exists=True, dir_okay=False, help="YAML or JSON.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even where labels would lose their class or stage.")
    ] = False,
) -> None:
    """Create a project or change it to what a file says; shows the difference first."""
    document = _document(file)
    with usable(file):
        planned = session.client.projects.apply(document, dry_run=True, force=force)
    if dry_run or not planned.diff:
        _show_difference(session, planned)
        session.display.say("nothing was changed: a dry run" if dry_run else "nothing to change")
        return
    if not yes:
        if session.display.as_json:
            fail("with --json nobody can be asked: add --yes, or --dry-run", USAGE)
        _show_difference(session, planned)
        typer.confirm(f"Apply these changes to {planned.project_id}?", abort=True)
    applied = session.client.projects.apply(document, force=force)
    if yes:
        _show_difference(session, applied)
    session.display.say(f"{applied.project_id} is at version {applied.version}")


def list_projects(session: Session) -> None:
    """List all projects."""
    columns = {
        "project": lambda one: one.project_id,
        "version": lambda one: one.version,
        "datasets": lambda one: one.document.get("datasets", "not for you to see"),
        "stages": lambda one: [stage["name"] for stage in one.document["stages"]],
        "classes": lambda one: len(one.document["ontology"]["classes"]),
    }
    session.display.rows(session.client.projects.list(), columns, none="there is no project yet")


def show(
    session: Session,
    project: ProjectId,
    versions: Annotated[bool, typer.Option("--versions", help="List its versions.")] = False,
) -> None:
    """Print a project's document, in the form that `project apply` takes."""
    if versions:
        columns = {
            "version": lambda one: one.version,
            "at": lambda one: when(one.at),
            "by": lambda one: one.by,
        }
        session.display.rows(session.client.projects.versions(project), columns, none="")
        return
    found = session.client.projects.get(project)
    if session.display.as_json:
        session.display.one(found)
    else:
        typer.echo(yaml.safe_dump(found.document, sort_keys=False, allow_unicode=True), nl=False)


def status(
    session: Session,
    project: ProjectId,
    stage: Annotated[str | None, typer.Argument(help="All stages if not given.")] = None,
) -> None:
    """Show how far the stages of a project are."""
    stages = session.stages(project, stage)
    found = [session.client.projects.status(project, name) for name in stages]
    columns = {
        "stage": lambda one: one["stage_id"],
        **{state: _slots(state) for state in _STATES},
        "waits for others": lambda one: one["waits_for_others"],
    }
    if found and "serving_epoch" in found[0]:
        columns |= {
            "serving": lambda one: one["model_version"] or "its other predictors",
            "epoch": lambda one: one["serving_epoch"],
            "queued by epoch": lambda one: one["queued_by_epoch"],
        }
    session.display.rows(found, columns, none="the project has no stage")


_STATES = ("held", "queued", "leased", "submitted", "done", "withdrawn")


def _slots(state: str) -> Callable[[StageStatus], object]:
    return lambda one: one["slots"].get(state, 0)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fail(f"{file} is neither YAML nor JSON: {' '.join(str(error).split())}")
    if not isinstance(document, dict):
        fail(f"{file} holds no project: it needs `project: NAME`, datasets, ontology and stages")
    return document


def _show_difference(session: Session, applied: Applied) -> None:
    if session.display.as_json:
        session.display.one(applied)
        return
    columns = {
        "what": lambda one: one.path,
        "before": lambda one: one.before,
        "after": lambda one: one.after,
    }
    if applied.diff:
        session.display.rows(applied.diff, columns, none="")
