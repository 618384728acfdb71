"""Servers that are there already: a stack uses them, and neither starts nor stops them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio
from pymongo import AsyncMongoClient

from wakeline_embedded.program import Check


class UnusableServerError(Exception):
    """A server that was named answers, but can't do what Wakeline needs."""

    code = "unusable-server"


@dataclass(frozen=True)
class External:
    """A server that was there before the stack and stays when it goes."""

    name: str
    address: str
    """Without credentials."""
    check: Check


@dataclass(frozen=True)
class StoreAddress:
    """An object store and one credential for it."""

    endpoint: str
    """HOST:PORT."""
    secure: bool
    access_key: str
    secret_key: str


def parse_store(url: str) -> StoreAddress:
    """Read ``http://KEY:SECRET@HOST:PORT``; the key and the secret may be percent-encoded.

    Raises
    ------
    ValueError
        If a part is missing.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not (parts.username and parts.password):
        raise ValueError("an object store is given as http://KEY:SECRET@HOST:PORT")
    return StoreAddress(
        endpoint=parts.netloc.rpartition("@")[2],
        secure=parts.scheme == "https",
        access_key=unquote(parts.username),
        secret_key=unquote(parts.password),
    )


def without_credentials(dsn: str) -> str:
    """The hosts of a DSN, and what follows them, without user and password."""
    return dsn.partition("://")[2].rpartition("@")[2]


async def check_mongo(dsn: str) -> None:
    """Raise unless a MongoDB replica set takes writes there.

    Raises
    ------
    UnusableServerError
        If it is a single server: it has no transactions and no change streams.
    """
    async with AsyncMongoClient[dict[str, Any]](dsn, serverSelectionTimeoutMS=3000) as client:
        hello = await client.admin.command("hello")
    if not hello.get("setName"):
        raise UnusableServerError(
            "this MongoDB is no replica set, so it has no transactions: start it with --replSet"
        )
    if not hello.get("isWritablePrimary"):
        raise UnusableServerError("this MongoDB has no primary")


async def check_store(store: StoreAddress) -> None:
    """Raise unless the object store lists its buckets for this credential."""
    client = Minio(
        endpoint=store.endpoint,
        access_key=store.access_key,
        secret_key=store.secret_key,
        secure=store.secure,
        http_client=urllib3.PoolManager(retries=False, timeout=4),
    )
    await asyncio.to_thread(client.list_buckets)
