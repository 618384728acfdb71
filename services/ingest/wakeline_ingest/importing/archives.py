"""Reading zip, tar and tar.gz files entry by entry, never more than one of them unpacked."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

from wakeline_ingest.domain.archives import (
    ArchiveLimits,
    Entry,
    is_bomb,
    is_of_the_system,
    refusal_of,
)
from wakeline_ingest.domain.errors import ArchiveError

COPY_BYTES = 256 * 1024
MOST_BYTES_OF_DIRECTORY = 512
"""Of one entry, on average, in the directory of a zip file."""
MOST_BYTES_OF_HEADER = 1024 * 1024
_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, tarfile.TarError, gzip.BadGzipFile, OSError)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An entry that is on disk now, or the reason why it is not."""

    number: int
    """Its place in the archive, from 1."""
    name: str
    path: Path | None
    code: str = ""
    message: str = ""


def unpack(archive: Path, folder: Path, limits: ArchiveLimits, behind: int) -> Iterator[Unpacked]:
    """Unpack the entries of an archive, one by one, to files in a folder.

    Parameters
    ----------
    behind : entries up to this number are passed over

    Raises
    ------
    ArchiveError
        If it is none, is damaged, or holds more than it may.
    """
    with archive.open("rb") as file:
        head = file.read(512)
    try:
        if head[:4] in (b"PK\3\4", b"PK\5\6"):
            yield from _zip(archive, folder, limits, behind)
        elif head[:2] == b"\x1f\x8b":
            with gzip.open(archive) as unpacked:
                yield from _tar(_Counted(unpacked, archive, limits), folder, limits, behind)
        elif head[257:262] == b"ustar":
            with archive.open("rb") as plain:
                yield from _tar(plain, folder, limits, behind)
        else:
            raise ArchiveError("no-archive", "it is no zip, tar or tar.gz file")
    except _DAMAGED as error:
        raise ArchiveError("damaged-archive", f"it is damaged: {error}") from error


def _zip(archive: Path, folder: Path, limits: ArchiveLimits, behind: int) -> Iterator[Unpacked]:
    _refuse_directory(archive, limits)
    unpacked = 0
    with zipfile.ZipFile(archive) as opened:
        for number, info in enumerate(opened.infolist(), start=1):
            if info.is_dir() or is_of_the_system(info.filename):
                continue
            mode = info.external_attr >> 16
            plain = stat.S_IFMT(mode) in (0, stat.S_IFREG)
            entry = Entry(
                info.orig_filename,  # with what the other one is cut at
                info.file_size,
                info.compress_size,
                plain,
                encrypted=bool(info.flag_bits & 0x1),
            )
            refused = refusal_of(entry, limits)
            if refused is None:
                unpacked += info.file_size
                if unpacked > limits.bytes:
                    raise _too_much(limits)
            if number > behind:
                yield _one(number, entry, refused, folder, partial(opened.open, info))


def _tar(
    stream: IO[bytes] | io.RawIOBase, folder: Path, limits: ArchiveLimits, behind: int
) -> Iterator[Unpacked]:
    unpacked = 0
    source = cast(IO[bytes], stream)  # all that tarfile wants of it is ``read``
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_Bounded) as opened:
        number = 0
        while (info := opened.next()) is not None:
            number += 1
            opened.members.clear()  # type: ignore[attr-defined]  # else it keeps every one
            if number > limits.entries:
                raise _too_many(limits)
            if info.isdir() or is_of_the_system(info.name):
                continue
            entry = Entry(info.name, info.size, None, info.isreg() and not info.issparse())
            refused = refusal_of(entry, limits)
            if refused is None:
                unpacked += info.size
                if unpacked > limits.bytes:
                    raise _too_much(limits)
            if number > behind:
                yield _one(number, entry, refused, folder, partial(opened.extractfile, info))


def _one(
    number: int,
    entry: Entry,
    refused: tuple[str, str] | None,
    folder: Path,
    opener: Callable[[], IO[bytes] | None],
) -> Unpacked:
    if refused is not None:
        return Unpacked(number, entry.name, None, *refused)
    path = folder / str(number)  # the archive's name is no path of ours
    try:
        source = opener()
        assert source is not None  # a plain file
        with source, path.open("wb") as target:
            left = entry.size + 1
            while left > 0 and (chunk := source.read(min(COPY_BYTES, left))):
                left -= target.write(chunk)
        if left != 1:
            raise zipfile.BadZipFile("it has another size than the archive says")
    except (NotImplementedError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        return Unpacked(number, entry.name, None, "unsupported-packing", f"{error}")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, EOFError) or entry.packed is None:
            raise
        return Unpacked(number, entry.name, None, "damaged-entry", f"it is damaged: {error}")
    return Unpacked(number, entry.name, path)


class _Bounded(tarfile.TarInfo):
    """A header whose long names and the like are read into memory only while they are short."""

    def _proc_member(self, opened: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > MOST_BYTES_OF_HEADER:
            raise ArchiveError("damaged-archive", "it has a header that is too long")
        found: tarfile.TarInfo = super()._proc_member(opened)  # type: ignore[misc]
        return found


class _Counted(io.RawIOBase):
    """A stream that is unpacked as it is read, and ends with an error once it is a bomb."""

    def __init__(self, stream: io.BufferedIOBase, archive: Path, limits: ArchiveLimits) -> None:
        self._stream = stream
        self._packed = archive.stat().st_size
        self._limits = limits
        self._read = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._read += len(data)
        if is_bomb(self._read, self._packed, self._limits.ratio):
            raise ArchiveError(
                "archive-bomb", f"it unpacks to more than {self._limits.ratio} times its size"
            )
        return data


def _refuse_directory(archive: Path, limits: ArchiveLimits) -> None:
    """Check how many entries a zip file has before they are all read into memory."""
    with archive.open("rb") as file:
        length = file.seek(0, io.SEEK_END)
        file.seek(max(0, length - 65_557))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise ArchiveError("damaged-archive", "it ends too early: send it again")
        _, _, _, _, entries, size, _, _ = _END.unpack_from(tail, at)
        locator = at - _END64_LOCATOR.size
        if locator >= 0 and tail[locator : locator + 4] == b"PK\6\7":
            file.seek(_END64_LOCATOR.unpack_from(tail, locator)[2])
            record = file.read(_END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\6\6":
                *_, entries, size, _ = _END64.unpack(record)
    if entries > limits.entries or size > limits.entries * MOST_BYTES_OF_DIRECTORY:
        raise _too_many(limits)


def _too_many(limits: ArchiveLimits) -> ArchiveError:
    return ArchiveError(
        "archive-too-long", f"it has more than {limits.entries:,} entries: send it in parts"
    )


def _too_much(limits: ArchiveLimits) -> ArchiveError:
    return ArchiveError(
        "archive-too-large", f"it unpacks to more than {limits.bytes:,} bytes: send it in parts"
    )
