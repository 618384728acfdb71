"""`wakeline up | down | status | logs | token | backup | restore`: the stack's own commands.

The command line loads this module for each of its commands, so all that takes long to import is
imported within the command that needs it.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from wakeline_embedded.layout import Layout, Options
    from wakeline_embedded.state import StackState

Data = Annotated[
    Path | None,
    typer.Option("--home", help="Folder with all data; $WAKELINE_HOME or .wakeline if not given."),
]

_out = Console()
_err = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (up, down, status, logs, token, backup, restore):
        app.command()(command)


def up(
    data: Data = None,
    split: Annotated[
        bool, typer.Option("--split", help="A process per kind of work, not one per service.")
    ] = False,
    servers_only: Annotated[
        bool, typer.Option("--servers-only", help="Only broker, MongoDB and object store.")
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in the terminal; Ctrl-C takes it down.")
    ] = False,
    kafka: Annotated[
        str | None,
        typer.Option(envvar="WAKELINE_UP_KAFKA", help="HOST:PORT of a Kafka to use, not our own."),
    ] = None,
    mongo: Annotated[
        str | None,
        typer.Option(envvar="WAKELINE_UP_MONGO", help="DSN of a MongoDB replica set to use."),
    ] = None,
    s3: Annotated[
        str | None,
        typer.Option(envvar="WAKELINE_UP_S3", help="http://KEY:SECRET@HOST:PORT of a store."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="First of the stack's 60 ports; kept from then on.")
    ] = None,
) -> None:
    """Start the whole platform on this machine; nothing happens if it is up already.

    Servers that are not its own are remembered: without them its data would not be there.
    """
    from wakeline_embedded import daemon
    from wakeline_embedded.layout import Layout, Options, Ports
    from wakeline_embedded.state import StackState

    layout = Layout.prepared(_folder(data))
    before = Options.load(layout)
    options = Options(
        split=split,
        servers_only=servers_only,
        kafka=kafka or before.kafka,
        mongo=mongo or before.mongo,
        s3=s3 or before.s3,
    )
    given = {"kafka": kafka, "mongo": mongo, "s3": s3}
    if again := [name for name, one in given.items() if one is None and getattr(options, name)]:
        _out.print(f"with the {', '.join(again)} of its last start")
    running = daemon.wait_while_stopping(layout)
    if running is not None and running.supervised:
        _require_same(layout, options, port)
        state = _wait(layout, None)
        _out.print(f"up already, since {time.ctime(state.began)}: {_url(layout)}")
        return
    options.save(layout)
    Ports.kept(layout, port)
    if foreground:
        _out.print(f"running in {layout.root}; Ctrl-C takes it down")
        from wakeline_embedded.foreground import supervise

        if not supervise(layout):
            failed = StackState.load(layout)
            _fail(failed.message if failed is not None else "")
        return
    state = _wait(layout, layout)
    _out.print(
        f"up after {state.up_after:.1f} s: {_url(layout)}\n"
        f"Data, logs and the owner's token are in {layout.root}. "
        "`wakeline status` shows the processes, `wakeline down` ends them."
    )


def down(data: Data = None) -> None:
    """Take the platform down; what is in hand is finished first, and all data stays."""
    from wakeline_embedded import daemon

    layout = _layout(data)
    with _out.status("finishing what is in hand"):
        try:
            was_running = daemon.stop(layout)
        except daemon.StackError as error:
            _fail(str(error))
    _out.print("down" if was_running else f"no stack runs in {layout.root}")


def status(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show every process and what waits in each service. Exits with 1 unless all processes work."""
    from wakeline_embedded import showing
    from wakeline_embedded.behind import backlogs
    from wakeline_embedded.status import measure

    layout = _layout(data)
    found = asyncio.run(measure(layout))
    if found is None:
        _fail(f"{layout.root} holds no stack: start one with `wakeline up`")
    behind = asyncio.run(backlogs(layout)) if found.supervisor_pid is not None else {}
    if as_json:
        told = {name: one and one.model_dump(mode="json") for name, one in behind.items()}
        document = {**asdict(found), "works": found.works, "backlog": told}
        typer.echo(json.dumps(document, indent=1))
    else:
        showing.processes(_out, found)
        showing.backlogs(_out, behind)
    raise typer.Exit(0 if found.works else 1)


def logs(
    name: Annotated[
        str | None, typer.Argument(help="Process, as in `wakeline status`; all if not given.")
    ] = None,
    data: Data = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Last lines of each.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new ones.")] = False,
) -> None:
    """Print the logs of the stack's processes."""
    from wakeline_embedded.logs import Follower, last_lines

    layout = _layout(data)
    there = sorted(log.stem for log in layout.logs.glob("*.log"))
    if name is not None and name not in there:
        _fail(f"there is no log of {name}; there are: {', '.join(there) or 'none'}")
    chosen = there if name is None else [name]
    width = max(map(len, chosen), default=0) if name is None else 0

    def show(process: str, line: str) -> None:
        typer.echo(f"{process:{width}} | {line}" if width else line)

    followers = {process: Follower(layout.log(process)) for process in chosen}
    for process in chosen:
        for line in last_lines(layout.log(process), lines):
            show(process, line)
    while follow:
        time.sleep(0.3)
        for process, follower in followers.items():
            for line in follower.new_lines():
                show(process, line)


def token(
    role: Annotated[
        list[str],
        typer.Option(help="admin, manager, engineer, labeler, reviewer or auditor; repeatable."),
    ],
    data: Data = None,
    person: Annotated[
        str | None, typer.Option(help="Opaque id; the role's own name if not given.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="Team the person works for.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is valid.")] = 24.0,
) -> None:
    """Mint a token for a person, signed with this stack's own key."""
    from wakeline_auth import Role
    from wakeline_embedded import access

    try:
        roles = [Role(one) for one in role]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--role") from error
    try:
        minted = access.mint(
            _layout(data), person or roles[0].value, roles, team, timedelta(hours=hours)
        )
    except access.NoIssuerError as error:
        _fail(str(error))
    typer.echo(minted)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
    data: Data = None,
) -> None:
    """Write all data and keys of the stack to a file. A stack that is up stands still meanwhile."""
    from wakeline_embedded import daemon
    from wakeline_embedded.backup import BackupError, take

    layout = _layout(data)
    try:
        with _err.status("finishing what is in hand"):
            was_running = daemon.stop(layout)
        try:
            with _err.status("copying"):
                taken = take(layout, file)
        finally:
            if was_running:
                _wait(layout, layout)
    except (BackupError, daemon.StackError) as error:
        _fail(str(error))
    _out.print(
        f"{file}: {len(taken.files)} files of {taken.bytes / 2**20:.0f} MiB, as of "
        f"{time.ctime(taken.taken_at)}. It holds the stack's keys: keep it as safe as them."
    )


def restore(
    file: Annotated[Path, typer.Argument(help="What `wakeline backup` wrote.")],
    data: Data = None,
    port: Annotated[
        int | None, typer.Option(help="First of the stack's 60 ports; else those it had.")
    ] = None,
) -> None:
    """Put a backup into an empty folder, and check it. `wakeline up` goes on from there."""
    from wakeline_embedded.backup import BackupError
    from wakeline_embedded.backup import restore as put_back
    from wakeline_embedded.layout import Ports

    layout = _layout(data)
    try:
        with _err.status("restoring"):
            taken = put_back(file, layout)
    except BackupError as error:
        _fail(str(error))
    if port is not None:
        Ports.kept(layout, port)
    _out.print(
        f"{layout.root} is as it was at {time.ctime(taken.taken_at)}. `wakeline up` starts it."
    )


def _folder(data: Path | None) -> Path:
    from wakeline_embedded.layout import default_folder

    return data or default_folder()


def _layout(data: Path | None) -> Layout:
    from wakeline_embedded.layout import Layout

    return Layout.of(_folder(data))


def _require_same(layout: Layout, wanted: Options, port: int | None) -> None:
    from wakeline_embedded.layout import Options, Ports

    moved = port is not None and port != Ports.kept(layout).base
    if Options.load(layout) != wanted or moved:
        _fail(
            f"a stack with other options is up in {layout.root}: "
            "`wakeline down` first, or give the same options"
        )


def _wait(layout: Layout, start_in: Layout | None) -> StackState:
    from wakeline_embedded import daemon
    from wakeline_embedded.state import Condition

    with _err.status("starting") as line:

        def tell(state: StackState) -> None:
            up = [one.name for one in state.records if one.condition is Condition.UP]
            missing = [one.name for one in state.records if one.name not in up]
            line.update(f"{len(up)} of {len(state.records)} up; waiting for {', '.join(missing)}")

        started = daemon.start(start_in) if start_in is not None else None
        try:
            return daemon.wait_until_up(layout, started, tell)
        except daemon.StackError as error:
            _fail(str(error))


def _url(layout: Layout) -> str:
    from wakeline_embedded import documents

    client = documents.read(layout.client)
    return client["url"] if client else "no service is installed here"


def _fail(message: str) -> NoReturn:
    _err.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)
