"""Transactions that retry what may be retried, for ten seconds at most."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WTimeoutError,
)

T = TypeVar("T")

STORE_UNAVAILABLE: tuple[type[Exception], ...] = (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    WTimeoutError,
)
"""The store is away or too slow: wait for it, and never count it as somebody's failure."""
UNAVAILABLE_CODE = "store-unavailable"
"""How every store's client of ours says that its store is away, the object store's included."""
_OUT_OF_DISK_SPACE = 14031
_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
_MISCONFIGURED = frozenset({"blob-access-denied", "bucket-missing"})
"""The object store refuses this service whatever it asks, as MongoDB does by the two codes above:
whoever set it up mends that, and meanwhile nothing may be given up."""
_NO_SESSIONS = "Sessions are not supported"
"""What PyMongo makes of a mongod that answers, but has not joined its set again after a start."""


class TransactionTimeoutError(PyMongoError):
    """A transaction met conflicts, or an unsteady store, for longer than its limit."""

    code: ClassVar[str] = UNAVAILABLE_CODE
    retry_after: ClassVar[int] = 1

    def __init__(self, cause: PyMongoError) -> None:
        message = f"gave up after repeated conflicts, the last one: {cause}"
        super().__init__(message, error_labels=("TransientTransactionError",))


def store_is_away(error: BaseException) -> bool:
    """Whether an error comes from the store or its set-up, rather than from what it was asked.

    True for MongoDB's connection errors, timeouts, conflicts and full disks, for any error whose
    ``code`` is ``store-unavailable``, and where this service's user lacks a right.
    """
    code = getattr(error, "code", None)
    if isinstance(error, STORE_UNAVAILABLE) or code == UNAVAILABLE_CODE:
        return True
    if isinstance(code, str) and code in _MISCONFIGURED:
        return True
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, ConfigurationError):
        return _NO_SESSIONS in str(error)
    passing = error.timeout or error.has_error_label("TransientTransactionError")
    lasting = code in (_OUT_OF_DISK_SPACE, _UNAUTHORIZED, _AUTHENTICATION_FAILED)
    return passing or error.has_error_label("RetryableWriteError") or lasting


class Transactions:
    """Runs a body in a transaction; the body may run again, so it touches nothing outside."""

    def __init__(
        self, client: AsyncMongoClient[dict[str, Any]], limit: timedelta = timedelta(seconds=10)
    ) -> None:
        self._client = client
        self._limit = limit

    async def run(
        self,
        body: Callable[[AsyncClientSession], Awaitable[T]],
        limit: timedelta | None = None,
    ) -> T:
        """Commit what ``body`` wrote, all of it or nothing.

        Parameters
        ----------
        limit : how long conflicts are met with another try; None: ten seconds

        Raises
        ------
        TransactionTimeoutError
            When conflicts outlast the limit. A commit whose outcome is unknown is tried again
            until it is known or time is up.
        pymongo.errors.PyMongoError
            What else the store refuses.
        """
        deadline = time.monotonic() + (limit or self._limit).total_seconds()
        async with self._client.start_session() as session:
            for attempt in itertools.count():
                await session.start_transaction()
                try:
                    result = await body(session)
                    await self._commit(session, deadline)
                    return result
                except PyMongoError as error:
                    if session.in_transaction:
                        await session.abort_transaction()
                    if not error.has_error_label("TransientTransactionError"):
                        raise
                    if time.monotonic() >= deadline:
                        raise TransactionTimeoutError(error) from error
                except BaseException:
                    if session.in_transaction:
                        await session.abort_transaction()
                    raise
                # Full jitter: whoever conflicted must not meet again at the same moment.
                await asyncio.sleep(random.uniform(0, min(0.2, 0.002 * 2 ** min(attempt, 7))))
        raise AssertionError("unreachable")

    @staticmethod
    async def _commit(session: AsyncClientSession, deadline: float) -> None:
        while True:
            try:
                await session.commit_transaction()
                return
            except PyMongoError as error:
                unknown = error.has_error_label("UnknownTransactionCommitResult")
                if not unknown or time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)
