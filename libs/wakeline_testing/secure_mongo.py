"""A mongod that speaks TLS only and lets nobody in who has no password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pymongo import AsyncMongoClient

from wakeline_embedded import mongod, ports, program
from wakeline_embedded.ports import HOST
from wakeline_storage import MongoSettings, connect
from wakeline_testing.certificates import Authority

ADMIN, PASSWORD = "administrator", "of the administrator"


@dataclass(frozen=True)
class SecureMongo:
    """Where it is; every user is known to the database ``admin``."""

    dsn: str
    """Without a user."""
    ca_file: Path

    def settings(self, user: str, password: str, database: str) -> MongoSettings:
        """How somebody connects."""
        return MongoSettings(
            dsn=SecretStr(self.dsn),
            database=database,
            username=user,
            password=SecretStr(password),
            ca_file=self.ca_file,
        )

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
        """A client that may do everything."""
        async with connect(self.settings(ADMIN, PASSWORD, "admin")) as client:
            yield client

    async def add(self, user: str, password: str, roles: list[dict[str, str]]) -> None:
        """Make a user with these roles."""
        async with self.administrator() as client:
            await client.admin.command("createUser", user, pwd=password, roles=roles)


@asynccontextmanager
async def secure_mongo(
    folder: Path, authority: Authority, *, host: str = HOST
) -> AsyncIterator[SecureMongo]:
    """Start one under ``folder`` that answers at ``host`` too; stopped at the end."""
    both, key = _files(folder, authority)
    port = ports.free_port()
    bind = HOST if host == HOST else f"{HOST},{host}"
    plain = mongod.program(folder / "mongod", port, folder / "mongod.log", bind=bind)
    dsn = f"{mongod.dsn(port).replace(HOST, host)}&authSource=admin"

    async def make_ready() -> None:
        async with _first_client(port, authority) as client:
            if not (await client.admin.command("hello")).get("setName"):
                member = {"_id": 0, "host": f"{host}:{port}"}
                await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
            # Whoever comes first from this machine may make the first user.
            await client.admin.command("createUser", ADMIN, pwd=PASSWORD, roles=["root"])

    secure = replace(
        plain,
        argv=(
            *plain.argv,
            *("--keyFile", str(key), "--tlsMode", "requireTLS"),
            *("--tlsCertificateKeyFile", str(both), "--tlsCAFile", str(authority.ca_file)),
            "--tlsAllowConnectionsWithoutCertificates",
        ),
        check=make_ready,
        make_ready=make_ready,
    )
    child = await program.start(secure)
    try:
        yield SecureMongo(dsn, authority.ca_file)
    finally:
        await child.stop(grace=4.0)


def _files(folder: Path, authority: Authority) -> tuple[Path, Path]:
    """The server's certificate, and what the members of its set know each other by."""
    folder.mkdir(parents=True, exist_ok=True)
    both, key = folder / "server.pem", folder / "key"
    both.write_bytes(authority.issue("mongod").both)
    key.write_text("ofthisreplicaset")
    key.chmod(0o600)
    return both, key


def _first_client(port: int, authority: Authority) -> AsyncMongoClient[dict[str, Any]]:
    return AsyncMongoClient(
        f"mongodb://{HOST}:{port}/?directConnection=true",
        tls=True,
        tlsCAFile=str(authority.ca_file),
        serverSelectionTimeoutMS=500,
        socketTimeoutMS=4_000,
    )
