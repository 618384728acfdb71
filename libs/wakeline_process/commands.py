"""What routes work with: a command is one transaction, together with the record of its answer."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_http import IdempotencyKey
from wakeline_messaging import Stores, UnitOfWork
from wakeline_process.runtime import Runtime

U = TypeVar("U", bound=UnitOfWork[Any])
T = TypeVar("T", bound=BaseModel)
S = TypeVar("S")

RECORDS = "idempotency"
"""The collection of answers that are kept."""


class IdempotencyKeyReusedError(Exception):
    """One key was sent with two different requests."""

    code: ClassVar[str] = "idempotency-key-reused"


class Command(Generic[U]):
    """Runs the body of a route in one transaction, in effect once for an ``Idempotency-Key``.

    The answer is stored in the same transaction as the effect and kept for 24 hours, so a client
    that never saw it may ask again.
    """

    def __init__(self, stores: Stores, request: str, record: str | None) -> None:
        self._stores = stores
        self._request = request
        self.record = record
        """The id in `RECORDS` of the answer that is kept; None: it is not kept."""

    def without_key(self) -> "Command[U]":
        """The same caller's command, of which no answer is kept: for what a refusal leaves."""
        return Command(self._stores, self._request, None)

    async def run(self, body: Callable[[U], Awaitable[T]], answer: type[T]) -> T:
        """Commit what ``body`` does and return what it returns, or what it returned before.

        Raises
        ------
        IdempotencyKeyReusedError
            If the key came before with another request.
        """

        async def transaction(session: AsyncClientSession) -> T:
            uow: Any = self._stores.open(session)
            result = await self.within(uow, body, answer)
            await uow.write()
            return result

        return await self._stores.transactions.run(transaction)

    async def within(self, uow: U, body: Callable[[U], Awaitable[T]], answer: type[T]) -> T:
        """Do as `run` does, in a transaction that serves others too, and that they commit.

        Raises
        ------
        IdempotencyKeyReusedError
            As `run`, before anything is written.
        """
        before = await self.answered(uow, answer)
        if before is not None:
            return before
        result = await body(uow)
        if self.record is None:
            return result
        uow.collection(RECORDS).insert(
            {
                "_id": self.record,
                "request": self._request,
                "answer": result.model_dump_json(),
                "at": uow.now,
            }
        )
        return result

    async def answered(self, uow: U, answer: type[T]) -> T | None:
        """Return what the key was answered before; None if it is new, or there is none.

        Raises
        ------
        IdempotencyKeyReusedError
            As `run`.
        """
        if self.record is None:
            return None
        row = await uow.collection(RECORDS).find_one({"_id": self.record})
        if row is None:
            return None
        if row["request"] != self._request:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key came before with another request: use a new key"
            )
        return answer.model_validate_json(row["answer"])


class StreamedCommand(Generic[U]):
    """The command of a route that reads its body as a stream: whole once it knows the body."""

    def __init__(self, stores: Stores, asked: str, record: str | None) -> None:
        self._stores = stores
        self._asked = asked
        self._record = record

    def of(self, body: bytes) -> Command[U]:
        """The command of a request with this body; any bytes that say what it is, a digest say."""
        digest = hashlib.sha256(self._asked.encode() + body).hexdigest()
        return Command(self._stores, digest, self._record)

    def without_key(self) -> Command[U]:
        """The same caller's command, of which no answer is kept."""
        return Command(self._stores, "", None)


async def streamed_command(request: Request, key: IdempotencyKey = None) -> StreamedCommand[Any]:
    """Dependency of a route that changes something and stands under ``@body_limit(None)``."""
    runtime: Runtime = request.app.state.runtime
    asked = f"{request.method} {request.url.path}?{request.url.query}\n"
    principal = request.scope["wakeline.principal"]
    record = f"{principal.person_id}:{key}" if key else None
    return StreamedCommand(runtime.stores, asked, record)


async def command(request: Request, key: IdempotencyKey = None) -> Command[Any]:
    """Dependency of a route that changes something."""
    streamed = await streamed_command(request, key)
    return streamed.of(await request.body())


async def reader(request: Request) -> Any:
    """Dependency of a route that only reads: a unit of work outside any transaction."""
    runtime: Runtime = request.app.state.runtime
    return runtime.stores.open(None)


def shared(make: Callable[[Stores], S]) -> Callable[[Request], Awaitable[S]]:
    """Dependency of a route that needs what all requests of this process share."""

    async def of_process(request: Request) -> S:
        runtime: Runtime = request.app.state.runtime
        return runtime.shared(make)

    return of_process


async def resources(request: Request) -> Any:
    """Dependency of a route that needs what the wiring opened: blobs, say."""
    runtime: Runtime = request.app.state.runtime
    return runtime.resources
