"""``wakeline labels`` and ``wakeline benchmarks``."""

from pathlib import Path
from typing import Annotated

import typer

from wakeline_sdk.cli.command import PATIENT, OnlyStage, Session, command, group
from wakeline_sdk.cli.failing import usable
from wakeline_sdk.cli.predictions import tell_import
from wakeline_sdk.cli.projects import ProjectId
from wakeline_sdk.cli.showing import short, when
from wakeline_sdk.models import LabelRecord


def register(app: typer.Typer) -> None:
    """Add the commands."""
    labels = group(app, "labels", "What people submitted, and what of it counts.")
    command(labels, "list")(list_labels)
    command(labels, "export-coco", attempts=PATIENT)(export_coco)
    command(labels, "import", attempts=PATIENT)(import_labels)
    benchmarks = group(app, "benchmarks", "Trusted labels: they score people and gate models.")
    command(benchmarks, "import", attempts=PATIENT)(import_benchmarks)
    command(benchmarks, "import-coco", attempts=PATIENT)(import_benchmarks)


def list_labels(
    session: Session,
    project: ProjectId,
    stage: Annotated[str | None, typer.Option(help="Of this stage only.")] = None,
    state: Annotated[
        str | None, typer.Option(help="submitted, accepted, merged or rejected.")
    ] = None,
) -> None:
    """List the labels of a project in the order of their submits."""
    columns = {
        "label": lambda one: one.label_id,
        "stage": lambda one: one.stage_id,
        "asset": lambda one: short(one.asset.asset_id),
        "state": lambda one: one.state,
        "arm": lambda one: one.arm,
        "person": lambda one: one.person_id,
        "shapes": lambda one: len(one.annotations),
        "confirmed/edited/drawn/removed": _effort,
        "seconds": lambda one: one.effort.client_seconds,
        "submitted": lambda one: when(one.submitted_at),
    }
    found = session.client.labels.list(project, stage, state)
    session.display.rows(found, columns, none="there is no such label yet")


def export_coco(
    session: Session,
    project: ProjectId,
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="File to write.")],
    stage: OnlyStage = None,
    like: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="COCO file whose ids of images and categories are kept.",
        ),
    ] = None,
    compressed: Annotated[
        bool, typer.Option("--compressed", help="Masks as text instead of lists.")
    ] = False,
) -> None:
    """Write the accepted labels of a stage as a COCO file, however many there are."""
    wanted = session.stage(project, stage)
    with session.display.progress() as bar, usable(like or out):
        task = bar.add_task("images", total=None)
        report = session.client.exchange.export_coco(
            project,
            wanted,
            out,
            like=like,
            compressed=compressed,
            progress=lambda done: bar.update(task, completed=done),
        )
    if session.display.as_json:
        session.display.one(report)
        return
    for what, count in report.left_out.items():
        session.display.say(f"left out {count}: {what}")
    session.display.say(f"{report.annotations} annotations of {report.images} images in {out}")


Shapes = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="COCO annotations, or JSON lines.")
]


def import_labels(
    session: Session,
    project: ProjectId,
    stage: Annotated[str, typer.Argument(help="Stage of the project.")],
    file: Shapes,
    source: Annotated[
        str, typer.Option(help="What the labels come from; it stands in a person's place.")
    ],
    trusted: Annotated[
        bool,
        typer.Option("--trusted", help="They were made without pre-labels: models may be compared"),
    ] = False,
) -> None:
    """Take in labels that were made before, or elsewhere: they count, and measure nothing.

    Equal labels again change nothing; changed ones take the place of those imported before.
    Exits with 1 if an image was refused.
    """
    with session.display.progress() as bar, usable(file):
        task = bar.add_task("images", total=None)
        report = session.client.exchange.import_labels(
            project,
            stage,
            file,
            source=source,
            trusted=trusted,
            progress=lambda done: bar.update(task, completed=done),
        )
    tell_import(session, report, "labels imported")


def import_benchmarks(
    session: Session,
    project: ProjectId,
    stage: Annotated[str, typer.Argument(help="Stage of the project.")],
    file: Shapes,
) -> None:
    """Make the shapes of a file the trusted labels of its images.

    What the ontology cannot hold is left out and counted. Exits with 1 if an image was refused.
    """
    with session.display.progress() as bar, usable(file):
        task = bar.add_task("images", total=None)
        report = session.client.exchange.import_benchmarks(
            project, stage, file, progress=lambda done: bar.update(task, completed=done)
        )
    tell_import(session, report, "trusted labels set")


def _effort(label: LabelRecord) -> str:
    effort = label.effort
    return f"{effort.confirmed}/{effort.edited}/{effort.drawn}/{effort.removed}"
