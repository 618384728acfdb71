"""The folder where a process keeps temporary files, which goes with it however it ends."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

NO_LONGER_USED = 86_400.0
"""Seconds after which a folder that nobody locks is nobody's."""


@contextmanager
def own_folder(
    prefix: str, where: Path | None = None, left_behind: Sequence[str] = ()
) -> Iterator[Path]:
    """A folder of this process, in ``where`` or the system's folder for temporary files.

    It is locked as long as the process lives, however that ends. What processes have left there
    that were killed is deleted first: a container's volume outlives it.

    Parameters
    ----------
    prefix : how the names of all folders of such processes begin, and of nothing else
    left_behind : how those of the release before began, whose processes held no lock
    """
    base = where or Path(tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    _sweep(base, prefix, tuple(left_behind))
    folder, held = _locked(base, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _locked(base: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        if folder.exists():
            return folder, held
        os.close(held)  # somebody swept it away before it was locked


def _sweep(base: Path, prefix: str, left_behind: tuple[str, ...]) -> None:
    for entry in list(os.scandir(base)):
        if entry.name.startswith(prefix):
            with suppress(OSError):  # another user's, or held by a process that lives
                _delete_unheld(entry.path)
        elif entry.name.startswith(left_behind):
            with suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > NO_LONGER_USED:
                    shutil.rmtree(entry.path)


def _delete_unheld(folder: str) -> None:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(held)
