"""Bulk requests of any length: lines that are taken in part by part, each in one transaction."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

import orjson
from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_http import IdempotencyKey
from wakeline_messaging import UnitOfWork
from wakeline_process.backlog import BacklogError, refuse_while_behind
from wakeline_process.commands import IdempotencyKeyReusedError
from wakeline_process.runtime import Runtime

T = TypeVar("T")
U = TypeVar("U", bound=UnitOfWork[Any])

MEDIA_TYPE = "application/x-ndjson"
PART_LINES = 500
PART_BYTES = 4 * 1024 * 1024
"""Lines and bytes that one transaction takes in."""
LINE_BYTES = 8 * 1024 * 1024
"""A longer line is refused; it is never held in memory as a whole."""
MOST_REFUSED = 10_000
"""With more lines refused, and more than stored, the file is another one than meant."""
DETAIL_LENGTH = 1_000
_LOOK_EVERY = 20
"""Parts between two looks at what waits to be sent."""
_BOM = b"\xef\xbb\xbf"


class TooManyRefusedError(Exception):
    """So many lines were refused that the import was ended."""

    code: ClassVar[str] = "too-many-refused"

    def __init__(self, through: int, sample: str) -> None:
        super().__init__(
            f"more than {MOST_REFUSED} of the first {through} lines were refused, "
            f"the last one because: {sample}"
        )
        self.extra = {"through": through}


class Line(NamedTuple):
    """One line of a request."""

    number: int
    """From 1, blank lines counted."""
    content: bytes
    digest: bytes
    """SHA-256 of this line and all before it."""


class Refusal(NamedTuple):
    """Why one line is not stored."""

    code: str
    detail: str
    asset_id: str | None = None


class Report(NamedTuple):
    """How far an import is."""

    through: int
    """The last line that was taken in or refused."""
    stored: int
    refused: int
    digest: bytes | None = None
    """Of the lines so far; None if a release moved on that did not keep it."""


Judge = Callable[[Sequence[Line]], Awaitable[Sequence[T | Refusal]]]
"""One judgement a line, in their order; writes nothing that counts."""
Store = Callable[[U, Sequence[T]], Awaitable[Mapping[int, Refusal] | None]]
"""Stores what was judged good, within the transaction that moves the import on; what turns out
there to be refused all the same, by its position."""


class LineImport(Generic[U]):
    """Takes in the lines of one request, and goes on where an earlier one of its key broke off.

    A row in ``line_imports`` says how far the lines of an ``Idempotency-Key`` are stored. It moves
    in the transaction that stores them, so whatever ends the request, no line is stored twice or
    passed by; two requests of one key at a time do no harm either. Reasons of refusals are kept
    beside it for 24 hours, so that who resumes an import is told of all.
    """

    def __init__(self, runtime: Runtime, name: str, request: str, body: AsyncIterator[bytes]):
        self._runtime = runtime
        self._name = name
        self._request = request
        self._body = body

    async def run(self, judge: Judge[T], store: Store[U, T]) -> StreamingResponse:
        """Take in all lines, and answer with the report once the last one is stored.

        While one part is committed the next one is read and judged; no more than these two are
        in memory.

        Raises
        ------
        IdempotencyKeyReusedError
            If the key came before with another path or query, or if the lines that are stored are
            not the first ones of this request.
        BacklogError
            If too much waits to be sent; what is stored by then stays, and its ``through`` says
            how far that is.
        TooManyRefusedError
        """
        begun = await self._begun()
        committing: asyncio.Task[Report] | None = None
        report = begun
        parts, last = 0, (begun.through, begun.digest)
        try:
            async for part in _parts(_behind(_lines(self._body), begun)):
                judged = await _judged(part, judge)
                if committing is not None:
                    report = await committing
                committing = asyncio.create_task(self._commit(last, part, judged, store))
                last = (part[-1].number, part[-1].digest)
                parts += 1
                if parts % _LOOK_EVERY == 0:
                    await self._look(report)
        finally:
            if committing is not None:
                report = await committing
        if report.through > last[0]:  # another request of the key has stored more than came here
            raise _reused()
        return StreamingResponse(self._told(report), media_type=MEDIA_TYPE)

    async def _begun(self) -> Report:
        row = await self._runtime.database["line_imports"].find_one({"_id": self._name})
        return self._report(row)

    def _report(self, row: dict[str, Any] | None) -> Report:
        if row is None:
            return Report(0, 0, 0)
        if row["request"] != self._request:
            raise _reused()
        known = row.get("digest", {})
        digest = known.get("sha256") if known.get("through") == row["through"] else None
        return Report(row["through"], row["stored"], row["refused"], digest)

    async def _look(self, report: Report) -> None:
        try:
            await refuse_while_behind(self._runtime.database)
        except BacklogError as error:
            error.extra = {"through": report.through}
            raise

    async def _commit(
        self,
        behind: tuple[int, bytes | None],
        part: Sequence[Line],
        judged: Sequence[T | Refusal],
        store: Store[U, T],
    ) -> Report:
        async def transaction(session: AsyncClientSession) -> Report:
            uow: Any = self._runtime.stores.open(session)
            imports = uow.collection("line_imports")
            row = await imports.find_one({"_id": self._name})
            before = self._report(row)
            # Another request of the same key may have been here in the meantime.
            _refuse_others([behind, *((line.number, line.digest) for line in part)], before)
            fresh = [
                (line, one)
                for line, one in zip(part, judged, strict=True)
                if line.number > before.through
            ]
            good = [(line, one) for line, one in fresh if not isinstance(one, Refusal)]
            late = await store(uow, [one for _, one in good]) or {}
            refused = [(line, one) for line, one in fresh if isinstance(one, Refusal)]
            refused += [(good[position][0], refusal) for position, refusal in late.items()]
            after = Report(
                max(before.through, part[-1].number),
                before.stored + len(fresh) - len(refused),
                before.refused + len(refused),
                part[-1].digest if fresh else before.digest,
            )
            document = {"request": self._request, **_document(after), "at": uow.now}
            if row is None:
                imports.insert({"_id": self._name, **document})
            else:
                imports.update({"_id": self._name}, {"$set": document})
            for line, one in refused:
                uow.collection("line_refusals").insert(
                    {"import": self._name, "at": uow.now, **_told_of(line, one)}
                )
            await uow.write()
            return after

        report = await self._runtime.stores.transactions.run(transaction)
        if report.refused > max(MOST_REFUSED, report.stored):
            sample = next((o.detail for o in reversed(judged) if isinstance(o, Refusal)), "")
            raise TooManyRefusedError(report.through, sample)
        return report

    async def _told(self, report: Report) -> AsyncIterator[bytes]:
        summary = {"lines": report.through, "stored": report.stored, "refused": report.refused}
        yield orjson.dumps(summary) + b"\n"
        if not report.refused:
            return
        rows = self._runtime.database["line_refusals"].find(
            {"import": self._name, "line": {"$lte": report.through}},
            {"_id": 0, "import": 0, "at": 0},
            sort=[("line", 1)],
        )
        async for row in rows:
            yield orjson.dumps(row) + b"\n"


async def line_import(request: Request, key: IdempotencyKey = None) -> LineImport[Any]:
    """Dependency of a route that takes lines; it stands under ``@body_limit(None)``."""
    runtime: Runtime = request.app.state.runtime
    principal = request.scope["wakeline.principal"]
    name = f"{principal.person_id}:{key}" if key else uuid.uuid4().hex
    asked = f"{request.method} {request.url.path}?{request.url.query}"
    digest = hashlib.sha256(asked.encode()).hexdigest()
    return LineImport(runtime, name, digest, request.stream())


Lines = Annotated[LineImport[Any], Depends(line_import)]

LINES_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "One JSON a line."}}},
    }
}
"""``openapi_extra`` of a route that takes lines."""


async def _judged(part: Sequence[Line], judge: Judge[T]) -> list[T | Refusal]:
    short = [line for line in part if len(line.content) <= LINE_BYTES]
    found = iter(await judge(short) if short else ())
    too_long = Refusal("line-too-long", f"a line has at most {LINE_BYTES:,} bytes")
    return [next(found) if len(line.content) <= LINE_BYTES else too_long for line in part]


def _reused() -> IdempotencyKeyReusedError:
    return IdempotencyKeyReusedError(
        "this Idempotency-Key came before with another request: use a new key"
    )


def _refuse_others(lines: Sequence[tuple[int, bytes | None]], stored: Report) -> None:
    """Check that what is stored up to somewhere in these lines are the same ones.

    ``lines`` is number and digest of each. What is stored behind them is for the next look.
    """
    if stored.digest is None or stored.through > lines[-1][0]:
        return
    if (stored.through, stored.digest) not in lines:
        raise _reused()


async def _behind(lines: AsyncIterator[Line], stored: Report) -> AsyncIterator[Line]:
    """The lines behind those that are stored, which have to be the same."""
    number = 0
    async for line in lines:
        number = line.number
        if number > stored.through:
            yield line
        else:
            _refuse_others([(number, line.digest)], stored)
    if number < stored.through:
        raise _reused()


async def _parts(lines: AsyncIterator[Line]) -> AsyncIterator[list[Line]]:
    part: list[Line] = []
    size = 0
    async for line in lines:
        if not line.content.strip():
            continue
        part.append(line)
        size += len(line.content)
        if len(part) == PART_LINES or size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


async def _lines(body: AsyncIterator[bytes]) -> AsyncIterator[Line]:
    """Lines as they come; of one that is too long only its beginning is kept."""
    number, held, size = 1, [b""], 0
    so_far = hashlib.sha256()
    async for chunk in body:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            so_far.update(piece + b"\n")
            yield Line(number, _joined(held, piece), so_far.digest())
            number, held, size = number + 1, [], 0
        so_far.update(rest)
        if size <= LINE_BYTES:
            held.append(rest)
            size += len(rest)
    if size:
        so_far.update(b"\n")
        yield Line(number, _joined(held, b""), so_far.digest())


def _joined(held: list[bytes], piece: bytes) -> bytes:
    line = b"".join((*held, piece)) if held else piece
    return line.removeprefix(_BOM)


def _told_of(line: Line, refusal: Refusal) -> dict[str, Any]:
    return {
        "line": line.number,
        "asset_id": refusal.asset_id,
        "code": refusal.code,
        "detail": refusal.detail[:DETAIL_LENGTH],
    }


def _document(report: Report) -> dict[str, Any]:
    # With the line that it is of: the release before moves on without it during an upgrade.
    return report._asdict() | {"digest": {"through": report.through, "sha256": report.digest}}
