"""Multipart forms as streams: files go to disk and through SHA-256 as they come in."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from wakeline_ingest.domain.errors import FileTooLargeError, InvalidUploadError
from wakeline_ingest.domain.uploads import SMALLER
from wakeline_ingest.importing.scratch import Claim, Scratch
from wakeline_ingest.ports import SentFile

MOST_PARTS = 64
MOST_FIELD_BYTES = 64 * 1024
GATHERED_BYTES = 256 * 1024


@dataclass
class Form:
    """A form whose files lie on disk until the request is over."""

    files: dict[str, SentFile] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """SHA-256 of all that it says, whatever the order of its parts."""
        files = sorted((part, sent.name, sent.digest) for part, sent in self.files.items())
        return hashlib.sha256(orjson.dumps([files, sorted(self.fields.items())])).digest()


@asynccontextmanager
async def received_form(
    request: Request, scratch: Scratch, max_file_bytes: int, advice: str = SMALLER["image"]
) -> AsyncIterator[Form]:
    """Read a form from the request's stream; its files are deleted at the end.

    Never more than `GATHERED_BYTES` of it and one chunk are in memory.

    Parameters
    ----------
    advice : what to do with a file that is larger

    Raises
    ------
    InvalidUploadError
        If the body is not a multipart form, names a part twice, or ends too early.
    FileTooLargeError
        As soon as a file exceeds its limit, or all of them the folder.
    ScratchFullError
        As soon as there is no room for more of it, beside what others send.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidUploadError("send a multipart/form-data body with the file in the part image")
    with (
        scratch.claim() as claim,
        tempfile.TemporaryDirectory(dir=scratch.folder) as place,
    ):
        reader = _Reader(Path(place), max_file_bytes, advice, claim)
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        try:
            async for chunks in _gathered(request):
                await asyncio.to_thread(parser.write, chunks)
            parser.finalize()
        except MultipartParseError as error:
            raise InvalidUploadError(f"the form cannot be read: {error}") from error
        finally:
            reader.close()
        if not reader.ended:
            raise InvalidUploadError("the form ends too early: send it again")
        yield reader.form


async def _gathered(request: Request) -> AsyncIterator[bytes]:
    """Join chunks of the body: a visit to a thread costs as much as writing a chunk."""
    found: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        found.append(chunk)
        size += len(chunk)
        if size >= GATHERED_BYTES:
            joined, size = b"".join(found), 0
            found.clear()
            yield joined
    if size:
        yield b"".join(found)


class _Reader:
    """What the parser calls back: one part after another, to disk or to memory."""

    def __init__(self, folder: Path, max_file_bytes: int, advice: str, claim: Claim) -> None:
        self.form = Form()
        self.ended = False
        self._folder = folder
        self._limit = max_file_bytes
        self._advice = advice
        self._claim = claim
        self._parts = 0
        self._file: BinaryIO | None = None

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise InvalidUploadError(f"a form has at most {MOST_PARTS} parts")
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._part or self._part in self.form.files or self._part in self.form.fields:
            raise InvalidUploadError(f"each part needs a name of its own, not {self._part!r}")
        self._size = 0
        self._text = b""
        self._hash = hashlib.sha256()
        file_name = options.get(b"filename")
        self._file_name = None if file_name is None else file_name.decode("utf-8", "replace")
        if self._file_name is not None:
            self._path = self._folder / str(self._parts)  # the sender's name is no path of ours
            self._file = self._path.open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        self._size += len(piece)
        if self._file is None:
            if self._size > MOST_FIELD_BYTES:
                raise InvalidUploadError(f"{self._part} has more than {MOST_FIELD_BYTES:,} bytes")
            self._text += piece
            return
        if self._size > self._limit:
            raise FileTooLargeError(self._part, self._limit, self._advice)
        self._claim.grow(len(piece))
        self._hash.update(piece)
        self._file.write(piece)

    def _end(self) -> None:
        if self._file is None:
            try:
                self.form.fields[self._part] = self._text.decode()
            except UnicodeDecodeError as error:
                raise InvalidUploadError(f"{self._part} is not UTF-8") from error
            return
        self._file.close()
        self._file = None
        self.form.files[self._part] = SentFile(
            self._path, self._file_name or "", self._hash.hexdigest(), self._size
        )

    def _all(self) -> None:
        self.ended = True
