"""How a service reaches its MongoDB database."""

import asyncio
import sys
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

import pymongo.lock
from pydantic import BaseModel, ConfigDict, FilePath, SecretStr
from pymongo import AsyncMongoClient

T = TypeVar("T")


async def _wait_for(awaited: Awaitable[T], timeout: float | None) -> T:
    async with asyncio.timeout(timeout):
        return await awaited


if sys.version_info < (3, 12):
    # Until 3.12 asyncio's own waits in a task of its own. If who waits for one of the client's
    # conditions is cancelled in the moment that its time ends, that task takes the client's lock
    # afterwards and nobody gives it back: every command of the process then waits for ever.
    pymongo.lock.wait_for = _wait_for  # type: ignore[assignment,attr-defined]


class MongoSettings(BaseModel):
    """Where a service's own database lies; nobody else reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dsn: SecretStr
    """May hold a user and a password, or leave them to the two settings below."""
    database: str
    username: str | None = None
    password: SecretStr | None = None
    ca_file: FilePath | None = None
    """Authorities in PEM that may sign the servers' certificates. If given, TLS is on."""
    pool_size: int = 50

    def credentials(self) -> dict[str, Any]:
        """What goes beside the DSN into any client of ours."""
        options: dict[str, Any] = {}
        if self.username is not None:
            options["username"] = self.username
        if self.password is not None:
            options["password"] = self.password.get_secret_value()
        if self.ca_file is not None:
            options |= {"tls": True, "tlsCAFile": str(self.ca_file)}
        return options


ANSWER_WITHIN = timedelta(seconds=20)


def connect(
    settings: MongoSettings, answer_within: timedelta | None = ANSWER_WITHIN
) -> AsyncMongoClient[dict[str, Any]]:
    """A client that waits for the majority's journal and gives up early instead of hanging.

    The time limits are short on purpose: a store that is away is reported and tried again by
    those who can wait, while an HTTP caller gets a 503 in seconds.

    Parameters
    ----------
    answer_within
        How long one command may take; None: as long as it needs, as to build an index.
    """
    limit = None if answer_within is None else int(answer_within.total_seconds() * 1_000)
    return AsyncMongoClient(
        settings.dsn.get_secret_value(),
        tz_aware=True,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        retryWrites=True,
        retryReads=True,
        serverSelectionTimeoutMS=3_000,
        connectTimeoutMS=3_000,
        socketTimeoutMS=limit,
        maxPoolSize=settings.pool_size,
        **settings.credentials(),
    )


class NoPrimaryError(Exception):
    """A server answers, and takes no write."""


async def require_primary(client: AsyncMongoClient[dict[str, Any]]) -> None:
    """Check that the primary answers: a secondary cannot take a write.

    Raises
    ------
    NoPrimaryError, pymongo.errors.PyMongoError
    """
    hello = await client.admin.command("hello")
    if not hello.get("isWritablePrimary"):
        raise NoPrimaryError("MongoDB has no primary")
