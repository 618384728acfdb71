"""``wakeline runs``, ``wakeline models`` and ``wakeline dataset-versions``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.failing import USAGE, fail
from wakeline_sdk.cli.projects import ProjectId
from wakeline_sdk.cli.showing import short, when
from wakeline_sdk.models import Gate, Run, Serving

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="Stage of the project.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="As `runs list` names it.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="As `models list` names it.")]
OfProject = Annotated[str | None, typer.Argument(metavar="[PROJECT]", help="Of this project only.")]
OfStage = Annotated[str | None, typer.Option("--stage", help="Of this stage only.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    runs = group(app, "runs", "Training runs.")
    command(runs, "list")(list_runs)
    command(runs, "show")(show_run)
    command(runs, "start")(start)
    command(runs, "cancel")(cancel)
    command(runs, "log")(log)
    models = group(app, "models", "Model versions: what was made, what serves, going back.")
    command(models, "list")(list_models)
    command(models, "show")(show_model)
    command(models, "publish")(publish)
    command(models, "rollback")(rollback)
    versions = group(app, "dataset-versions", "Frozen, immutable lists of assets and labels.")
    command(versions, "list")(list_versions)
    command(versions, "manifest")(manifest)


def list_runs(session: Session, project: OfProject = None, stage: OfStage = None) -> None:
    """List training runs, newest first."""
    columns = {
        "run": lambda one: one.run_id,
        "stage": lambda one: f"{one.project}/{one.stage}",
        "no": lambda one: one.number,
        "cause": lambda one: one.cause,
        "state": lambda one: one.state,
        "progress": _progress,
        "model": lambda one: one.model_version,
        "created": lambda one: when(one.created_at),
    }
    found = session.client.runs.list(project, stage)
    session.display.rows(found, columns, none="nothing was trained yet")


def show_run(session: Session, run: RunId) -> None:
    """Show a run with its progress, the trainer's metrics and the gate's verdict."""
    _show_run(session, session.client.runs.get(run))


def start(
    session: Session,
    project: ProjectId,
    stage: StageName,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="For the trainer; repeatable."),
    ] = None,
) -> None:
    """Freeze what is labeled now, and train the stage's model on it."""
    _show_run(session, session.client.runs.start(project, stage, _parsed(parameters or [])))


def cancel(session: Session, run: RunId) -> None:
    """Stop a run."""
    _show_run(session, session.client.runs.cancel(run))


def log(
    session: Session,
    run: RunId,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="The current one if not given.")
    ] = None,
) -> None:
    """Print what the trainer said."""
    text = session.client.runs.log(run, attempt)
    if session.display.as_json:
        session.display.one({"run_id": run, "attempt": attempt, "log": text})
    else:
        typer.echo(text, nl=False)


def list_models(session: Session, project: OfProject = None, stage: OfStage = None) -> None:
    """List model versions, newest first, blocked ones included."""
    columns = {
        "model": lambda one: one.model_version,
        "stage": lambda one: f"{one.project}/{one.stage}",
        "no": lambda one: one.number,
        "AP": lambda one: one.metrics.get("ap"),
        "AP50": lambda one: one.metrics.get("ap50"),
        "gate": lambda one: one.gate.verdict,
        "difference": lambda one: one.gate.difference,
        "serving": lambda one: one.serving,
        "created": lambda one: when(one.created_at),
    }
    found = session.client.models.list(project, stage)
    session.display.rows(found, columns, none="there is no model yet")


def show_model(session: Session, model: ModelName) -> None:
    """Show a model version: metrics beside those of what served then, and the gate's numbers."""
    found = session.client.models.get(model)
    facts: dict[str, object] = {
        "model": found.model_version,
        "stage": f"{found.project}/{found.stage}",
        "serving": found.serving,
        "run": found.run_id,
        "dataset version": found.dataset_version,
        "began with": found.base_model or "nothing",
        **{
            f"{name} (served then)": f"{value:.4g} ({found.comparator_metrics.get(name, 0.0):.4g})"
            for name, value in sorted(found.metrics.items())
        },
        **_gate(found.gate),
        "published": [
            f"epoch {one.serving_epoch} at {when(one.at)} by {one.by or 'the gate'}"
            for one in found.publications
        ],
        "created": when(found.created_at),
    }
    session.display.one(found, facts)


def publish(
    session: Session,
    model: ModelName,
    force: Annotated[
        bool, typer.Option("--force", help="Even one that the gate blocked; needs a reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why the gate is overruled.")] = None,
) -> None:
    """Let a model version serve its stage."""
    if force and reason is None:
        fail("--force overrules the gate: give a --reason, it is kept", USAGE)
    _show_serving(session, session.client.models.publish(model, force=force, reason=reason))


def rollback(session: Session, project: ProjectId, stage: StageName) -> None:
    """Let the model before serve again, or the stage's other predictors if there was none."""
    _show_serving(session, session.client.models.rollback(project, stage))


def list_versions(session: Session, project: OfProject = None, stage: OfStage = None) -> None:
    """List dataset versions, newest first."""
    columns = {
        "dataset version": lambda one: one.dataset_version,
        "stage": lambda one: f"{one.project}/{one.stage}",
        "datasets": lambda one: one.dataset_ids,
        "assets": lambda one: {name: split.assets for name, split in one.splits.items()},
        "annotations": lambda one: {name: split.annotations for name, split in one.splits.items()},
        "left out": lambda one: one.left_out,
        "created": lambda one: when(one.created_at),
    }
    found = session.client.dataset_versions.list(project, stage)
    session.display.rows(found, columns, none="nothing was frozen yet")


def manifest(
    session: Session,
    dataset_version: Annotated[str, typer.Argument(help="As `dataset-versions list` names it.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="File instead of output.")
    ] = None,
) -> None:
    """Print a dataset version's manifest: one JSON line an asset."""
    versions = session.client.dataset_versions
    if out is None:
        for line in versions.manifest(dataset_version):
            typer.echo(line)
        return
    versions.export(dataset_version, out, format="jsonl")
    session.display.say(f"{dataset_version} is in {out}")


def _show_run(session: Session, run: Run) -> None:
    facts: dict[str, object] = {
        "run": run.run_id,
        "stage": f"{run.project}/{run.stage}",
        "number": run.number,
        "cause": run.cause,
        "state": run.state,
        "attempt": run.attempt,
        "progress": _progress(run),
        "waiting for": run.waiting_for,
        "setback": run.setback,
        "dataset version": run.dataset_version,
        "model": run.model_version,
        **(_gate(run.gate) if run.gate else {}),
        "failure": run.failure,
        "created": when(run.created_at),
        "ended": when(run.ended_at),
    }
    session.display.one(run, {key: value for key, value in facts.items() if value is not None})


def _show_serving(session: Session, serving: Serving) -> None:
    who = serving.serving or "its other predictors"
    if session.display.as_json:
        session.display.one(serving)
    else:
        session.display.say(
            f"{serving.project}/{serving.stage} is served by {who} "
            f"(epoch {serving.serving_epoch}); its queued tasks are predicted again"
        )


def _progress(run: Run) -> str:
    if run.progress is None:
        return ""
    step, of, loss = (run.progress.get(key) for key in ("step", "of", "loss"))
    counted = f"{step} of {of}" if of is not None else str(step)
    return counted if loss is None else f"{counted}, loss {loss:.4g}"


def _gate(gate: Gate) -> Mapping[str, object]:
    return {
        "gate": gate.verdict,
        "compared with": short(gate.comparator),
        "hold-out assets": gate.holdout_assets,
        "difference (upper 90 %)": f"{_number(gate.difference)} ({_number(gate.upper_90)})",
        "smallest detectable": gate.smallest_detectable,
        "reasons": gate.reasons,
    }


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4f}"


def _parsed(parameters: list[str]) -> dict[str, Any]:
    """``NAME=VALUE``, the values as JSON where they are."""
    found: dict[str, Any] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{parameter!r} is not NAME=VALUE", param_hint="--set")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
