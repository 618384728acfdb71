"""Reading zip, tar and tar.gz files entry by entry, never more than one of them unpacked."""

import errno
import gzip
import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Self, cast

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
MOST_HEADERS = 16
"""Before one entry of a tar file: each is read inside the one before."""
MOST_BYTES_OF_HEADERS = 1024 * 1024
"""Of all of them."""
MOST_BYTES_FOR_ALL = 64 * 1024
"""Of headers that hold for every entry behind them: those stay in memory."""
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of zip files. The others `zipfile` unpacks without any bound: 256 KiB may become gigabytes."""
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_HEADERS = (*_PAX, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_RECORD = re.compile(rb"([0-9]{1,7}) ([^=]{1,256})=")


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
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        with _ZipBytes(archive, limits) as seekable:
            yield from _zip(seekable, folder, limits, behind)
    elif head[:2] == b"\x1f\x8b":
        with gzip.open(archive) as unpacked:
            yield from _tar(_Counted(unpacked, archive, limits), folder, limits, behind)
    elif head[257:262] == b"ustar":
        with archive.open("rb") as plain:
            yield from _tar(plain, folder, limits, behind)
    else:
        raise ArchiveError("no-archive", "it is no zip, tar or tar.gz file")


@contextmanager
def _parsing() -> Iterator[None]:
    """Whatever a parser makes of hostile bytes, it is the archive that is damaged.

    What no bytes can cause gets through, so that the job is tried again: too little memory, and
    errors of the disk, which have a number (an ``OSError`` of a parser's own has none, or is of
    a place to read at that there cannot be).
    """
    try:
        yield
    except (ArchiveError, MemoryError):
        raise
    except NotImplementedError as error:
        raise ArchiveError("unsupported-packing", f"it cannot be unpacked: {error}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ArchiveError(
            "damaged-archive", f"it is damaged, or ends too early ({error}): send it again"
        ) from error


def _zip(
    seekable: IO[bytes], folder: Path, limits: ArchiveLimits, behind: int
) -> Iterator[Unpacked]:
    unpacked = 0
    with _parsing():
        opened = _Zip(seekable, limits)
    with opened:
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
            if refused is None and info.compress_type not in PACKINGS:
                refused = "unsupported-packing", "pack it with deflate, or not at all"
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
    with _parsing():
        opened = _Tar.open(fileobj=source, mode="r|")
    with opened:
        number = 0
        while (info := opened.following()) is not None:
            number += 1
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
        with _parsing():
            source = opener()
        assert source is not None  # a plain file
        with source, path.open("wb") as target:
            left = entry.size + 1
            while left > 0 and (chunk := _read(source, min(COPY_BYTES, left))):
                left -= target.write(chunk)
        if left != 1:
            raise ArchiveError("damaged-archive", "it has another size than the archive says")
    except ArchiveError as error:
        path.unlink(missing_ok=True)
        if entry.packed is None:  # in a stream nothing behind it can be found
            raise
        code = "damaged-entry" if error.code == "damaged-archive" else error.code
        return Unpacked(number, entry.name, None, code, str(error))
    return Unpacked(number, entry.name, path)


def _read(source: IO[bytes], size: int) -> bytes:
    with _parsing():
        return source.read(size)


class _ZipBytes(io.BufferedReader):
    """The bytes of a zip file, of which nothing longer than a directory may be is read at once."""

    def __init__(self, archive: Path, limits: ArchiveLimits) -> None:
        super().__init__(io.FileIO(archive))
        self._limits = limits

    def read(self, size: int | None = -1, /) -> bytes:
        if (size or 0) > max(COPY_BYTES, self._limits.entries * MOST_BYTES_OF_DIRECTORY):
            raise _too_many(self._limits)
        return super().read(size)


class _Entries(list[zipfile.ZipInfo]):
    """The entries of a directory, of which there are no more than there may be."""

    def __init__(self, limits: ArchiveLimits) -> None:
        super().__init__()
        self._limits = limits

    def append(self, info: zipfile.ZipInfo, /) -> None:
        if len(self) >= self._limits.entries:
            raise _too_many(self._limits)
        super().append(info)


class _Zip(zipfile.ZipFile):
    """A zip file whose entries are counted while its directory is read.

    No record of how many they are is believed: a file may hold several, and versions of `zipfile`
    differ in which of them they go by.
    """

    def __init__(self, file: IO[bytes], limits: ArchiveLimits) -> None:
        self._entries = _Entries(limits)
        super().__init__(file)

    @property
    def filelist(self) -> list[zipfile.ZipInfo]:
        return self._entries

    @filelist.setter
    def filelist(self, _: list[zipfile.ZipInfo]) -> None:
        """Keep ours: `zipfile` begins with an empty list of its own."""


class _Header(tarfile.TarInfo):
    """A header that costs little memory and time, whatever it says of itself."""

    @classmethod
    def fromtarfile(cls, opened: Any) -> Self:
        try:
            return super().fromtarfile(opened)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:  # else `tarfile` would call it the end, and all well
            raise ArchiveError(
                "damaged-archive", f"it is damaged, or ends too early ({error}): send it again"
            ) from error

    def _proc_member(self, opened: Any) -> tarfile.TarInfo:
        """Read what belongs to this header, and those that follow up to that of an entry."""
        if self.type not in _HEADERS:
            opened.headers = opened.header_bytes = 0
        else:
            opened.headers += 1
            opened.header_bytes += self.size
            if self.type == tarfile.XGLTYPE:
                opened.bytes_for_all += self.size
            if (
                self.size < 0
                or opened.headers > MOST_HEADERS
                or opened.header_bytes > MOST_BYTES_OF_HEADERS
                or opened.bytes_for_all > MOST_BYTES_FOR_ALL
            ):
                raise ArchiveError("damaged-archive", "its headers are too long, or too many")
        found: tarfile.TarInfo = super()._proc_member(opened)  # type: ignore[misc]
        if found.size < 0:
            raise ArchiveError("damaged-archive", "it has an entry of less than no bytes")
        return found

    def _proc_pax(self, opened: Any) -> tarfile.TarInfo:
        """Read records; before Python 3.11.10 their parser may take gigabytes, and hours."""
        said = dict(_records(opened.fileobj.read(self._block(self.size))[: self.size]))  # type: ignore[attr-defined]
        if self.type == tarfile.XGLTYPE:
            opened.pax_headers.update(said)
        found: Any = self.fromtarfile(opened)
        said = opened.pax_headers | said
        if any(name.startswith("GNU.sparse.") for name in said):
            found.sparse = []  # where its data are is not even read: it is refused
        if self.type != tarfile.XGLTYPE:
            found._apply_pax_info(said, opened.encoding, opened.errors)
            if "size" in said:
                has_data = found.isreg() or found.type not in tarfile.SUPPORTED_TYPES
                opened.offset = found.offset_data + has_data * found._block(found.size)
        return cast(tarfile.TarInfo, found)

    def _proc_sparse(self, opened: Any) -> tarfile.TarInfo:
        """Pass over the blocks that say where the data of a file with holes are: it is refused."""
        more = self._sparse_structs[1]  # type: ignore[attr-defined]
        while more:
            block = opened.fileobj.read(tarfile.BLOCKSIZE)
            more = len(block) == tarfile.BLOCKSIZE and block[504]
        self.sparse = []  # type: ignore[assignment]  # no holes, and still no plain file
        self.offset_data = opened.fileobj.tell()
        opened.offset = self.offset_data + self._block(self.size)  # type: ignore[attr-defined]
        return self


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a header: ``length name=value``, each with its own length."""
    at = 0
    while at < len(data) and data[at] != 0:
        head = _RECORD.match(data, at)
        end = at + int(head[1]) if head is not None else 0
        if head is None or not head.end() < end <= len(data):
            raise ArchiveError("damaged-archive", "it has a header that cannot be read")
        name, value = head[2], data[head.end() : end - 1]
        yield name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        at = end


class _Tar(tarfile.TarFile):
    """A tar file that is read as a stream."""

    tarinfo = _Header
    headers = 0
    """Those that were read before the entry that is to come."""
    header_bytes = 0
    bytes_for_all = 0

    def following(self) -> tarfile.TarInfo | None:
        """Return the next entry; it is not kept."""
        with _parsing():
            found = self.next()
        self.members.clear()  # type: ignore[attr-defined]  # else it keeps every one
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


def _too_many(limits: ArchiveLimits) -> ArchiveError:
    return ArchiveError(
        "archive-too-long", f"it has more than {limits.entries:,} entries: send it in parts"
    )


def _too_much(limits: ArchiveLimits) -> ArchiveError:
    return ArchiveError(
        "archive-too-large", f"it unpacks to more than {limits.bytes:,} bytes: send it in parts"
    )
