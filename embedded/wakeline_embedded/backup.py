"""The data of a stack that stands still, as one file; and back again, checked.

The file is a gzipped tar: everything that servers and stack keep, then ``backup.json`` with the
SHA-256 of each file. That one comes last, so a backup that was cut off has none and is refused.
It holds the stack's keys, so only its owner can read it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from wakeline_embedded.layout import Layout, Options
from wakeline_embedded.state import AlreadyRunningError, StackState, sole_supervisor

FORMAT: Final = 1
MANIFEST: Final = "backup.json"
KEPT: Final = (
    *("broker", "mongod", "seaweedfs"),
    *("secrets.json", "sealing.json", "issuer.json", "jwks.json", "options.json", "ports.json"),
)
"""What makes a stack: logs, spans and process states are of one machine and one run."""
_SKIPPED: Final = frozenset({"mongod/lib", "mongod/mongod.lock"})
"""Links to this machine's libraries, and the mark of a running server."""
_PIECE: Final = 1 << 20


class BackupError(Exception):
    """A backup could not be made or put back."""

    code = "backup-error"


@dataclass(frozen=True)
class Backup:
    """What a backup says about itself."""

    format: int
    release: str
    """Of the Wakeline that made it."""
    taken_at: float
    """Unix time at which everything stood still."""
    files: dict[str, str]
    """Path -> SHA-256."""
    bytes: int


def take(layout: Layout, target: Path) -> Backup:
    """Write the data of a stack that is down to a file that does not exist yet.

    Nothing else can start the stack meanwhile. The file appears when it is whole.

    Raises
    ------
    BackupError
        If there is no stack, it runs, or some of its servers are not its own.
    """
    if StackState.load(layout) is None:
        raise BackupError(f"{layout.root} holds no stack")
    options = Options.load(layout)
    if options.kafka or options.mongo or options.s3:
        raise BackupError(
            "this stack uses servers that are not its own: back them up by their own means, in "
            "the order MongoDB, Kafka, object store"
        )
    if target.exists():
        raise BackupError(f"{target} is there already: a backup never replaces another")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with sole_supervisor(layout):
            if StackState.load(layout).survivors:  # type: ignore[union-attr]
                raise BackupError("servers of this stack still run: `wakeline down` ends them")
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                taken = _write(layout, file)
                file.flush()
                os.fsync(file.fileno())
            # Not `replace`: somebody else's backup of this name may have appeared meanwhile.
            os.link(unfinished, target)
            return taken
    except AlreadyRunningError as error:
        raise BackupError("the stack runs: `wakeline down` first") from error
    except FileExistsError as error:
        raise BackupError(f"{target} is there already") from error
    except OSError as error:
        raise BackupError(f"{target}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def restore(source: Path, layout: Layout) -> Backup:
    """Put a backup into a folder that is empty or not there; all of it, or nothing.

    Raises
    ------
    BackupError
        If the folder holds anything, or the file is cut off, damaged, or of a newer release.
    """
    if layout.root.exists() and any(layout.root.iterdir()):
        raise BackupError(f"{layout.root} is not empty: a restore never overwrites anything")
    layout.root.parent.mkdir(parents=True, exist_ok=True)
    beside = layout.root.with_name(f".{layout.root.name}.restoring-{os.getpid()}")
    beside.mkdir(mode=0o700)
    try:
        restored = _read(source, beside)
        os.sync()
        if layout.root.exists():
            layout.root.rmdir()
        beside.rename(layout.root)
        return restored
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupError(f"{source} is cut off or damaged: {error}") from error
    except OSError as error:
        raise BackupError(f"{error.filename or source}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(layout: Layout, file: IO[bytes]) -> Backup:
    digests: dict[str, str] = {}
    total = 0
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
        for path in _files(layout.root):
            name = path.relative_to(layout.root).as_posix()
            if path.is_dir():
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o700
                tar.addfile(entry)
                continue
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = path.stat().st_size, 0o600
            entry.mtime = int(path.stat().st_mtime)
            with path.open("rb") as content:
                hashing = _Hashing(content)
                tar.addfile(entry, hashing)
            digests[name] = hashing.digest.hexdigest()
            total += entry.size
        taken = Backup(FORMAT, _release(), time.time(), digests, total)
        document = json.dumps(vars(taken)).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mode = len(document), 0o600
        tar.addfile(entry, io.BytesIO(document))
    return taken


def _files(root: Path) -> Iterator[Path]:
    for kept in KEPT:
        for path in sorted([root / kept, *(root / kept).rglob("*")]):
            name = path.relative_to(root).as_posix()
            skipped = any(name == one or name.startswith(f"{one}/") for one in _SKIPPED)
            if not skipped and not path.is_symlink() and (path.is_file() or path.is_dir()):
                yield path


def _read(source: Path, folder: Path) -> Backup:
    found: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    with tarfile.open(source, mode="r:gz") as tar:
        for entry in tar:
            path = PurePosixPath(entry.name)
            if path.is_absolute() or ".." in path.parts or not (entry.isfile() or entry.isdir()):
                raise BackupError(f"{source} holds {entry.name}, which no backup has")
            if entry.isdir():
                (folder / path).mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            content = tar.extractfile(entry)
            assert content is not None
            if entry.name == MANIFEST:
                manifest = json.loads(content.read())
                continue
            (folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            found[entry.name] = _store(content, folder / path)
    if manifest is None:
        raise BackupError(f"{source} is cut off: it has no {MANIFEST}")
    if manifest["format"] > FORMAT:
        raise BackupError(
            f"{source} was made by release {manifest['release']}: restore it with that one"
        )
    taken = Backup(**manifest)
    for name in sorted(found.keys() | taken.files.keys()):
        if found.get(name) != taken.files.get(name):
            raise BackupError(f"{source} is damaged: {name} is not what was backed up")
    return taken


def _store(content: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        return piece


def _release() -> str:
    try:
        return version("wakeline")
    except PackageNotFoundError:
        return "unknown"
