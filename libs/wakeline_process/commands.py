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
        if self.record is None:
            return await body(uow)
        row = await uow.collection(RECORDS).find_one({"_id": self.record})
        if row is not None:
            return self._remembered(row, answer)
        result = await body(uow)
        uow.collection(RECORDS).insert(
            {
                "_id": self.record,
                "request": self._request,
                "answer": result.model_dump_json(),
                "at": uow.now,
            }
        )
        return result

    def _remembered(self, row: dict[str, Any], answer: type[T]) -> T:
        if row["request"] != self._request:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key came before with another request: use a new key"
            )
        return answer.model_validate_json(row["answer"])


async def command(request: Request, key: IdempotencyKey = None) -> Command[Any]:
    """Dependency of a route that changes something."""
    runtime: Runtime = request.app.state.runtime
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    if not request.headers.get("content-type", "").startswith("multipart/"):
        digest.update(await request.body())
    principal = request.scope["wakeline.principal"]
    record = f"{principal.person_id}:{key}" if key else None
    return Command(runtime.stores, digest.hexdigest(), record)


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
