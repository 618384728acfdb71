"""``wakeline sources``, ``wakeline sync`` and ``wakeline imports``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wakeline_sdk.cli.command import PATIENT, Session, command, group
from wakeline_sdk.cli.datasets import DatasetId
from wakeline_sdk.cli.failing import REFUSED, fail
from wakeline_sdk.cli.showing import Columns, when
from wakeline_sdk.models import Import, Outcome

SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="Name of the source.")]
UploadId = Annotated[str, typer.Argument(metavar="UPLOAD", help="As the refusal names it.")]
ImportId = Annotated[str, typer.Argument(metavar="IMPORT", help="As `imports list` names it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the end.")]

_COLUMNS: Columns = {
    "import": lambda one: one.import_id,
    "kind": lambda one: one.kind,
    "state": lambda one: one.state,
    "counts": lambda one: counted(one),
    "begun": lambda one: when(one.created_at),
    "why": lambda one: one.message,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    sources = group(app, "sources", "Buckets whose images are assets by reference.")
    command(sources, "add")(add)
    command(sources, "list")(list_sources)
    command(app, "sync", attempts=PATIENT)(sync)
    imports = group(app, "imports", "What brought many images into a dataset at once.")
    command(imports, "archive", attempts=PATIENT)(archive)
    command(imports, "metadata", attempts=PATIENT)(metadata)
    command(imports, "urls", attempts=PATIENT)(urls)
    command(imports, "list")(list_imports)
    command(imports, "show")(show)
    command(imports, "cancel")(cancel)
    command(imports, "discard")(discard)


def add(
    session: Session,
    dataset: DatasetId,
    source: SourceId,
    bucket: Annotated[str, typer.Option(help="Full name of the bucket.")],
    prefix: Annotated[str, typer.Option(help="Of the keys of the images.")] = "",
    group_from_folder: Annotated[
        bool, typer.Option("--group-from-folder", help="Images of one folder are one group.")
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the images: their objects may go or change.")
    ] = False,
) -> None:
    """Let the images of a bucket be assets of a dataset, without copying them: see `sync`."""
    added = session.client.sources.put(
        dataset, source, bucket, prefix, group_from_folder=group_from_folder, copy=copy
    )
    session.display.one(added)


def list_sources(session: Session, dataset: DatasetId) -> None:
    """List the sources of a dataset."""
    columns: Columns = {
        "source": lambda one: one.source_id,
        "bucket": lambda one: one.bucket,
        "prefix": lambda one: one.prefix,
        "syncs": lambda one: one.syncs,
        "now": lambda one: "syncing" if one.active else None,
    }
    session.display.rows(session.client.sources.list(dataset), columns, none="there is no source")


def sync(
    session: Session,
    dataset: DatasetId,
    source: Annotated[
        str | None, typer.Option("--source", help="Only this one; all of them if not given.")
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Take in what is new or changed in a dataset's sources, and note what is gone.

    Exits with 1 if an object was refused; `wakeline imports show` says why.
    """
    client = session.client
    names = [source] if source else [one.source_id for one in client.sources.list(dataset)]
    if not names:
        fail(f"{dataset!r} has no source: `wakeline sources add {dataset} NAME --bucket BUCKET`")
    follow(session, [client.sources.sync(dataset, name) for name in names], no_wait)


def archive(
    session: Session,
    dataset: DatasetId,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="zip, tar or tar.gz.")],
    group_from_folder: Annotated[
        bool, typer.Option("--group-from-folder", help="Images of one folder are one group.")
    ] = False,
    no_wait: NoWait = False,
) -> None:
    """Send an archive; its images are unpacked there, each with its name in the archive.

    Exits with 1 if an entry was refused; `wakeline imports show` says why.
    """
    begun = session.client.imports.begin(
        dataset, "archive", file, group_from_folder=group_from_folder
    )
    follow(session, [begun], no_wait)


def metadata(
    session: Session,
    dataset: DatasetId,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header, or JSON lines.")
    ],
    no_wait: NoWait = False,
) -> None:
    """Attach what a table says to the assets that its lines name.

    Exits with 1 if a line was refused; `wakeline imports show` says why.
    """
    follow(session, [session.client.imports.begin(dataset, "metadata", file)], no_wait)


def urls(
    session: Session,
    dataset: DatasetId,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="One URL a line, or JSON lines.")
    ],
    no_wait: NoWait = False,
) -> None:
    """Let the platform fetch images by their URLs, from hosts that its operator allows.

    Exits with 1 if a URL was refused; `wakeline imports show` says why.
    """
    follow(session, [session.client.imports.begin(dataset, "urls", file)], no_wait)


def list_imports(session: Session, dataset: DatasetId) -> None:
    """List the imports of a dataset, the newest first."""
    session.display.rows(
        session.client.imports.list(dataset), _COLUMNS, none="nothing was imported yet"
    )


def show(
    session: Session,
    dataset: DatasetId,
    import_id: ImportId,
    lines: Annotated[
        bool, typer.Option("--lines", help="Say what became of each object, entry or line.")
    ] = False,
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", help="Only lines of this outcome.")
    ] = None,
) -> None:
    """Show an import and how far it is."""
    if not lines and not outcome:
        found = session.client.imports.get(dataset, import_id)
        session.display.one(found, {name: value(found) for name, value in _COLUMNS.items()})
        return
    wanted: list[Any] = outcome or []
    known = Outcome.__args__  # type: ignore[attr-defined]
    for name in wanted:
        if name not in known:
            raise typer.BadParameter(f"an outcome is one of {', '.join(known)}")
    columns: Columns = {
        "name": lambda one: one.name,
        "outcome": lambda one: one.outcome,
        "asset": lambda one: one.asset_id,
        "code": lambda one: one.code,
        "reason": lambda one: one.message,
    }
    found_lines = session.client.imports.lines(dataset, import_id, wanted)
    session.display.rows(found_lines, columns, none="there is no line")


def cancel(session: Session, dataset: DatasetId, import_id: ImportId) -> None:
    """End an import where it is; what it has brought stays."""
    session.display.one(session.client.imports.cancel(dataset, import_id))


def discard(session: Session, dataset: DatasetId, upload: UploadId) -> None:
    """Give up a big file that is not all there, so that it can be sent anew, otherwise."""
    session.display.one(session.client.imports.discard(dataset, upload))


def follow(session: Session, begun: list[Import], no_wait: bool) -> None:
    """Wait for imports and say what came of them; exits with 1 if something was refused."""
    if no_wait:
        session.display.rows(begun, _COLUMNS, none="")
        return
    ended = [session.client.imports.wait(one) for one in begun]
    session.display.rows(ended, _COLUMNS, none="")
    if any(one.state != "done" or one.counts.get("refused") for one in ended):
        raise typer.Exit(REFUSED)


def counted(one: Import) -> str:
    """Counts in one line."""
    return ", ".join(f"{number} {outcome}" for outcome, number in one.counts.items() if number)
