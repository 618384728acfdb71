"""Importing from URLs: only hosts on the list, and only the addresses that were checked."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpcore
import orjson

from wakeline_ingest.domain import addresses
from wakeline_ingest.domain.addresses import UrlRules
from wakeline_ingest.domain.errors import FileRefusedError, TableError
from wakeline_ingest.domain.imports import ImportRecord
from wakeline_ingest.domain.records import Declared
from wakeline_ingest.importing.chunks import all_of, chunks
from wakeline_ingest.importing.reading import arrival_of, hashed, place_for_file
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import importing
from wakeline_ingest.usecases.importing import Taken
from wakeline_messaging import JobLease

CHUNK = 20
"""URLs between two checkpoints."""
AT_ONCE = 4
MOST_REDIRECTS = 3
MOST_LINES = 1_000_000
MOST_BYTES_OF_LINE = 8 * 1024
OURS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""Errors of this machine, not of a host: the job is tried again."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})

Lease = JobLease[MongoIngestUnitOfWork, Resources]
Options = Iterable[Any] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One line of a list of URLs."""

    url: str
    file_name: str | None = None
    group: str | None = None
    code: str | None = None
    message: str | None = None


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to an address that was checked, and never asks for the name's address again."""

    def __init__(self, rules: UrlRules) -> None:
        self._rules = rules
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Options = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers, if all of them may be read."""
        found = await resolve(host, port)
        addresses.refuse_addresses(host, found, self._rules)
        failure: Exception = httpcore.ConnectError(f"{host} does not answer")
        for address in found:
            try:
                return await self._network.connect_tcp(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Options = None
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise httpcore.ConnectError("no sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a part of a name is empty, or too long
        raise _refused("url-unreachable", f"{host} has no address") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Fetcher:
    """Reads URLs to files. One connection each: nothing is kept that a later URL could use."""

    def __init__(self, rules: UrlRules, limit: int, timeout: timedelta) -> None:
        self._rules = rules
        self._limit = limit
        self._timeout = timeout.total_seconds()

    async def fetch(self, url: str, path: Path) -> None:
        """Read one URL, redirects to allowed hosts included, to a file.

        Raises
        ------
        FileRefusedError
            If it may not be read, does not answer in time, or sends too much.
        """
        try:
            async with (
                asyncio.timeout(self._timeout),
                httpcore.AsyncConnectionPool(
                    ssl_context=ssl.create_default_context(),
                    network_backend=PinnedNetwork(self._rules),
                ) as pool,
            ):
                for _ in range(MOST_REDIRECTS + 1):
                    addresses.refuse_url(url, self._rules)
                    location = await self._read(pool, url, path)
                    if location is None:
                        return
                    url = addresses.redirected(url, location)
                raise _refused("too-many-redirects", f"over {MOST_REDIRECTS} redirects")
        except TimeoutError as error:
            raise _refused("url-too-slow", f"not read in {self._timeout:g} seconds") from error
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            ValueError,
        ) as error:
            if isinstance(error, OSError) and error.errno in OURS:
                raise
            why = f"{type(error).__name__} {error}".strip()
            raise _refused("url-unreachable", f"it does not answer as it should: {why}") from error

    async def _read(self, pool: httpcore.AsyncConnectionPool, url: str, path: Path) -> str | None:
        """Read an answer to the file; return where it leads if it is a redirect."""
        asked = [("Accept", "image/*"), ("Accept-Encoding", "identity"), ("Connection", "close")]
        limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)}
        async with pool.stream("GET", url, headers=asked, extensions=limits) as answer:
            headers = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
            if answer.status in REDIRECTS and b"location" in headers:
                return headers[b"location"]
            if answer.status != 200:
                raise _refused("http-status", f"the host answers {answer.status}")
            if headers.get(b"content-encoding", "identity") != "identity":
                raise _refused("packed-answer", "the host packs its answer though it was not to")
            said = headers.get(b"content-length", "")
            if said.isdecimal() and int(said) > self._limit:
                raise self._too_large()
            left = self._limit
            with path.open("wb") as file:
                async for chunk in answer.aiter_stream():
                    left -= file.write(chunk)
                    if left < 0:
                        raise self._too_large()
        return None

    def _too_large(self) -> FileRefusedError:
        return _refused("file-too-large", f"it has more than {self._limit:,} bytes")


async def import_urls(lease: Lease, record: ImportRecord, listed: Path) -> None:
    """Make assets of the images at the URLs of a list: one a line, or JSON objects.

    Raises
    ------
    TableError
        If the list cannot be read, or not any further; what came before is stored.
    """
    resources = lease.resources
    fetcher = Fetcher(resources.url_rules, resources.max_file_bytes, resources.url_timeout)
    busy = asyncio.Semaphore(AT_ONCE)
    done = int(record.cursor.get("line", 0))
    with listed.open("rb") as file:
        lines = islice(read(file), done, None)
        async for chunk in chunks(lines, lambda chunk: len(chunk) >= CHUNK):
            found = await all_of(
                _taken(lease, record, fetcher, busy, number, wanted)
                for number, wanted in enumerate(chunk, start=done + 1)
            )
            done += len(chunk)

            async def store(
                uow: MongoIngestUnitOfWork, found: Sequence[Taken] = found, behind: int = done
            ) -> None:
                await importing.take(uow, record.import_id, found, {"line": behind})

            await lease.transaction(store)


def read(file: Any) -> Iterator[Wanted]:
    """Read the lines of a list of URLs; empty ones and those with # before them say nothing.

    Raises
    ------
    TableError
        If there are too many, or one is too long.
    """
    number = 0
    while line := file.readline(MOST_BYTES_OF_LINE + 1):
        if len(line) > MOST_BYTES_OF_LINE:
            raise TableError("line-too-long", f"a line has over {MOST_BYTES_OF_LINE:,} bytes")
        text = line.decode("utf-8", "replace").strip()
        if not text or text.startswith("#"):
            continue
        number += 1
        if number > MOST_LINES:
            raise TableError("list-too-long", f"over {MOST_LINES:,} URLs: send it in parts")
        yield _object(text) if text.startswith("{") else Wanted(text)


def _object(text: str) -> Wanted:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Wanted("", code="invalid-json", message=str(error))
    values = {name: said.get(name) for name in ("url", "file_name", "group")}
    good = all(
        value is None
        or (isinstance(value, str) and 0 < len(value) <= 2_000 and value.isprintable())
        for value in values.values()
    )
    if not values["url"] or not good or said.keys() - values.keys():
        why = "an object has a url, and may have a file_name and a group, all of them texts"
        return Wanted("", code="invalid-line", message=why)
    return Wanted(values["url"], (values["file_name"] or "")[-400:] or None, values["group"])


async def _taken(
    lease: Lease,
    record: ImportRecord,
    fetcher: Fetcher,
    busy: asyncio.Semaphore,
    number: int,
    wanted: Wanted,
) -> Taken:
    name = f"{number}: {addresses.shown(wanted.url)}"
    if wanted.code is not None:
        return Taken(name, None, wanted.code, wanted.message)
    async with busy, place_for_file(lease.resources) as path:
        try:
            parts = addresses.refuse_url(wanted.url, lease.resources.url_rules)
            await fetcher.fetch(wanted.url, path)
            called = wanted.file_name or addresses.file_name_of(parts)
            image = await hashed(path, called)
            declared = Declared(called, wanted.group)
            return Taken(name, await arrival_of(lease, record.dataset_id, image, declared))
        except FileRefusedError as error:
            return Taken(name, None, error.code, str(error))


def _refused(code: str, message: str) -> FileRefusedError:
    return FileRefusedError("image", code, message)
