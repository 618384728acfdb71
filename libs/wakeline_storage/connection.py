"""How a service reaches its MongoDB database."""

from typing import Any

from pydantic import BaseModel, ConfigDict, FilePath, SecretStr
from pymongo import AsyncMongoClient


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


def connect(settings: MongoSettings) -> AsyncMongoClient[dict[str, Any]]:
    """A client that waits for the majority's journal and gives up early instead of hanging.

    The time limits are short on purpose: a store that is away is reported and tried again by
    those who can wait, while an HTTP caller gets a 503 in seconds.
    """
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
        socketTimeoutMS=20_000,
        maxPoolSize=settings.pool_size,
        **settings.credentials(),
    )
