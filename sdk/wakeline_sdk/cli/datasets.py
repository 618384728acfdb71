"""``wakeline datasets`` and ``wakeline upload``."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wakeline_sdk.cli.command import PATIENT, Session, command, group
from wakeline_sdk.cli.failing import REFUSED, USAGE, fail
from wakeline_sdk.cli.showing import Columns, when
from wakeline_sdk.errors import NotFoundError
from wakeline_sdk.models import Dataset, FileReport
from wakeline_sdk.uploads import images_at

DatasetId = Annotated[str, typer.Argument(metavar="DATASET", help="Name of the dataset.")]

MOST_SHOWN = 1_000
"""Refused files that are listed after an upload; the platform keeps all of them."""
_COLUMNS: Columns = {
    "dataset": lambda one: one.dataset_id,
    "name": lambda one: one.name,
    "assets": lambda one: one.received,
    "ingested": lambda one: one.ingested,
    "refused": lambda one: one.refused,
    "MB": lambda one: round(one.bytes / 1e6, 1),
    "created": lambda one: when(one.created_at),
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    datasets = group(app, "datasets", "Named collections of images.")
    command(datasets, "list")(list_datasets)
    command(datasets, "create")(create)
    command(datasets, "show")(show)
    command(datasets, "assets")(assets)
    command(datasets, "export", attempts=PATIENT)(export)
    command(app, "upload", attempts=PATIENT)(upload)


def list_datasets(session: Session) -> None:
    """List all datasets."""
    session.display.rows(session.client.datasets.list(), _COLUMNS, none="there is no dataset yet")


def create(
    session: Session,
    dataset: DatasetId,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
) -> None:
    """Create a dataset; nothing happens if it is there already."""
    _show(session, session.client.datasets.create(dataset, name))


def show(
    session: Session,
    dataset: DatasetId,
    refusals: Annotated[
        bool, typer.Option("--refusals", help="List the files that were refused, ever.")
    ] = False,
) -> None:
    """Show a dataset and how far its files are."""
    if not refusals:
        _show(session, session.client.datasets.get(dataset))
        return
    columns = {
        "file": lambda one: one.file_name,
        "part": lambda one: one.part,
        "code": lambda one: one.code,
        "reason": lambda one: one.message,
        "at": lambda one: when(one.at),
    }
    found = session.client.datasets.refusals(dataset)
    session.display.rows(found, columns, none="no file was refused")


def assets(
    session: Session,
    dataset: DatasetId,
    group: Annotated[str | None, typer.Option(help="Only those of this group.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only those of which this is said."),
    ] = None,
    presence: Annotated[str | None, typer.Option(help="here, gone or superseded.")] = None,
) -> None:
    """List the assets of a dataset."""
    wanted = dict(one.partition("=")[::2] for one in metadata or ())
    found = session.client.datasets.assets(dataset, group=group, metadata=wanted, presence=presence)
    columns: Columns = {
        "asset": lambda one: one.asset_id,
        "file": lambda one: one.file_name,
        "group": lambda one: one.group,
        "size": lambda one: f"{one.width} x {one.height}",
        "metadata": lambda one: ", ".join(f"{k}={v}" for k, v in one.metadata.items()),
    }
    session.display.rows(found, columns, none="there is no such asset")


class Format(StrEnum):
    """What a dataset version can be written as."""

    COCO = "coco"
    JSONL = "jsonl"


class Split(StrEnum):
    """A side of a dataset version."""

    TRAIN = "train"
    HOLDOUT = "holdout"


def export(
    session: Session,
    dataset_version: Annotated[str, typer.Argument(help="As `dataset-versions list` names it.")],
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="File to write.")],
    format: Annotated[
        Format, typer.Option(help="coco, or jsonl: the manifest, one line an asset.")
    ] = Format.COCO,
    split: Annotated[
        Split | None, typer.Option(help="This side only; ids stay those of the whole.")
    ] = None,
    compressed: Annotated[
        bool, typer.Option("--compressed", help="Masks as text instead of lists.")
    ] = False,
) -> None:
    """Write a dataset version into a file, however long it is; the same bytes each time."""
    if format is Format.JSONL and split is not None:
        fail("a manifest has both splits: --split goes with --format coco", USAGE)
    with session.display.progress() as bar:
        task = bar.add_task("bytes", total=None)
        exported = session.client.dataset_versions.export(
            dataset_version,
            out,
            format=format.value,
            split=split.value if split else None,
            compressed=compressed,
            progress=lambda done: bar.update(task, completed=done),
        )
    if session.display.as_json:
        session.display.one(exported)
    else:
        session.display.say(f"{exported.bytes} bytes in {out}, SHA-256 {exported.digest}")


def upload(
    session: Session,
    dataset: DatasetId,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", exists=True, help="Images, or folders.")
    ],
    nir: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder with near-infrared bands, named alike."
        ),
    ] = None,
    group_from_folder: Annotated[
        bool, typer.Option("--group-from-folder", help="Images of one folder are one group.")
    ] = False,
    create: Annotated[
        bool, typer.Option("--create", help="Create the dataset if it is not there.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Files sent at once.")] = 4,
) -> None:
    """Upload images; what is there already is skipped, so a broken upload is simply run again.

    Exits with 1 if a file was refused; all others are in the dataset then.
    """
    _require(session, dataset, create)
    total = sum(1 for _ in images_at(paths, nir=nir, group_from_folder=group_from_folder))
    if not total:
        fail(f"no image is in {', '.join(map(str, paths))}: JPEG, PNG and TIFF files are")
    found = images_at(paths, nir=nir, group_from_folder=group_from_folder)
    summary = _Summary(everything=session.display.as_json)
    with session.display.progress() as bar:
        task = bar.add_task(f"to {dataset}", total=total)
        for report in session.client.datasets.upload_each(dataset, found, workers=workers):
            summary.add(report)
            bar.advance(task)
    _report(session, summary)
    if summary.counts["skipped"] and (nir or group_from_folder):
        session.display.say(
            "Those that were there already keep the group and the bands that they were sent with."
        )
    if summary.counts["refused"]:
        raise typer.Exit(REFUSED)


@dataclass
class _Summary:
    """What became of an upload; not of each file, for there may be a million."""

    everything: bool
    counts: Counter[str] = field(default_factory=Counter)
    kept: list[FileReport] = field(default_factory=list)

    def add(self, report: FileReport) -> None:
        self.counts[report.outcome] += 1
        refused = report.outcome == "refused" and len(self.kept) < MOST_SHOWN
        if self.everything or refused:
            self.kept.append(report)


def _require(session: Session, dataset: str, create: bool) -> None:
    if create:
        session.client.datasets.create(dataset)
        return
    try:
        session.client.datasets.get(dataset)
    except NotFoundError:
        fail(f"there is no dataset {dataset!r}: `wakeline datasets create {dataset}`, or --create")


def _report(session: Session, summary: _Summary) -> None:
    counts = summary.counts
    if session.display.as_json:
        files = [_told(one) for one in summary.kept]
        outcomes = {name: counts[name] for name in ("stored", "skipped", "refused")}
        session.display.one({**outcomes, "files": files})
        return
    if summary.kept:
        columns: Columns = {
            "refused file": lambda one: one.path,
            "code": lambda one: one.code,
            "reason": lambda one: one.reason,
        }
        session.display.rows(summary.kept, columns, none="")
        if counts["refused"] > MOST_SHOWN:
            session.display.say("... and more: `wakeline datasets show DATASET --refusals`")
    session.display.say(
        f"{counts['stored']} stored, {counts['skipped']} there already, {counts['refused']} refused"
    )


def _told(one: FileReport) -> dict[str, str | None]:
    return {
        "path": str(one.path),
        "outcome": one.outcome,
        "asset_id": one.asset.asset_id if one.asset else None,
        "code": one.code,
        "reason": one.reason,
    }


def _show(session: Session, dataset: Dataset) -> None:
    session.display.one(dataset, {name: value(dataset) for name, value in _COLUMNS.items()})
