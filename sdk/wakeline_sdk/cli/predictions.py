"""``wakeline predictions``: the output of models that run elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from wakeline_sdk.cli.command import PATIENT, OnlyStage, Session, command, group
from wakeline_sdk.cli.failing import REFUSED, USAGE, fail, usable
from wakeline_sdk.cli.projects import ProjectId
from wakeline_sdk.cli.showing import short
from wakeline_sdk.models import ImportReport

SHOWN = 50
"""Refused images that are listed for people."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    predictions = group(app, "predictions", "What predictors proposed, yours included.")
    command(predictions, "upload", attempts=PATIENT)(upload)
    command(predictions, "status")(status)
    command(predictions, "list")(list_predictions)


def upload(
    session: Session,
    project: ProjectId,
    stage: Annotated[str, typer.Argument(help="Stage of the project.")],
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="COCO results, COCO, or JSON lines."),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="COCO file with the categories and all images that the model has looked at.",
        ),
    ] = None,
    predictor: Annotated[
        str, typer.Option(help="external or external.NAME, as the stage lists it.")
    ] = "external",
    version: Annotated[str, typer.Option(help="Of the model.")] = "1",
) -> None:
    """Upload predictions: labelers see them as pre-labels.

    A line of a JSON lines file is {"asset_id" | "file_name" | "digest": ..., "shapes": [...]}.
    A listed image without results is stored as one on which nothing was found; an image that is not
    listed keeps what was uploaded for it before. Exits with 1 if an image was refused.
    """
    with session.display.progress() as bar, usable(file):
        task = bar.add_task("images", total=None)
        report = session.client.exchange.upload_predictions(
            project,
            stage,
            file,
            reference=images,
            predictor=predictor,
            version=version,
            progress=lambda done: bar.update(task, completed=done),
        )
    if not session.display.as_json:
        session.display.say(
            f"{report.empty} images were sent without shapes: nothing was found on them; "
            "those that the file does not list keep what was uploaded before"
        )
    tell_import(session, report, "predictions stored")


def status(session: Session, project: ProjectId, stage: OnlyStage = None) -> None:
    """Count a stage's tasks by how their prediction stands."""
    wanted = session.stage(project, stage)
    session.display.one(session.client.predictions.status(project, wanted))


def list_predictions(
    session: Session,
    asset: Annotated[str | None, typer.Option(help="Of this asset.")] = None,
    task: Annotated[str | None, typer.Option(help="Of this task.")] = None,
) -> None:
    """List the predictions of an asset or a task, the newest first."""
    if asset is None and task is None:
        fail("name an --asset or a --task", USAGE)
    columns = {
        "prediction": lambda one: one["prediction_id"],
        "stage": lambda one: one["stage_id"],
        "asset": lambda one: short(one["asset_id"]),
        "predictor": lambda one: one["predictor"],
        "version": lambda one: short(one["predictor_version"]),
        "epoch": lambda one: one["serving_epoch"],
        "shapes": lambda one: len(one["shapes"]),
        "uncertainty": lambda one: one["uncertainty"],
    }
    found = session.client.predictions.list(asset_id=asset, task_id=task)
    session.display.rows(found, columns, none="nothing was predicted")


def tell_import(session: Session, report: ImportReport, what: str) -> None:
    """Say what became of a file of shapes; ends with 1 if an image was refused."""
    if session.display.as_json:
        session.display.one(report)
    else:
        for lost, count in sorted(report.left_out.items()):
            session.display.say(f"left out {count}: {lost}")
        if report.refused:
            columns = {"refused": lambda one: short(one[0]), "reason": lambda one: one[1]}
            session.display.rows(list(report.refused.items())[:SHOWN], columns, none="")
        session.display.say(f"{report.stored} {what}, {len(report.refused)} refused")
    if report.refused:
        raise typer.Exit(REFUSED)
