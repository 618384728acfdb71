"""The broker as a server: its parts put together, its connections and their limits."""

import asyncio
import inspect
import logging
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from wakeline_embedded.broker.admin_api import AdminApi
from wakeline_embedded.broker.errors import MalformedRequestError
from wakeline_embedded.broker.files import Flusher
from wakeline_embedded.broker.group_api import GroupApi
from wakeline_embedded.broker.groups import Groups
from wakeline_embedded.broker.offsets import OffsetStore
from wakeline_embedded.broker.protocol import (
    APIS,
    PRODUCE,
    Fields,
    Request,
    decode_request,
    encode_response,
)
from wakeline_embedded.broker.record_api import RecordApi
from wakeline_embedded.broker.topics import Topics

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_CONNECTIONS = 1000
MAX_PRODUCE_BYTES = 100 << 20
MAX_REQUEST_BYTES = 8 << 20
"""Limit of every request but produce; what is decoded takes a multiple of it in memory."""
RETENTION_INTERVAL = 1.0
"""Seconds between two looks for segments to delete."""
_READ_AHEAD = 1 << 20  # bytes of later requests that are read while one is being answered
_FRAME_START = struct.Struct(">ih")  # size, API key

Handler = Callable[[Request], Fields | Awaitable[Fields] | None]


class Broker:
    """One broker over one data folder.

    The fsync policy is ``never``, ``always`` or ``group-MILLISECONDS``; see ``__main__``. Clients
    connect again where the broker says it is: at ``advertised``, or else at ``port``, of
    ``advertised_host``, or else of ``host``.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        fsync: str = "never",
        advertised: int | None = None,
        *,
        host: str = HOST,
        advertised_host: str | None = None,
    ) -> None:
        self.port = port
        self._host = host
        self._advertised_host = advertised_host or host
        self._advertised = advertised
        self.connections: set[Connection] = set()
        self._flusher = Flusher.from_policy(fsync)
        self._topics = Topics(folder, durable=self._flusher.enabled)
        self._store = OffsetStore(folder / "offsets.jsonl", durable=self._flusher.enabled)
        self._groups = Groups(self._store)
        self._handlers: dict[int, Handler] = {}
        self._jobs: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; port 0 takes a free one, which ``port`` then tells."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        node: Fields = {
            "node_id": 1,
            "host": self._advertised_host,
            "port": self._advertised or self.port,
        }
        parts = (
            RecordApi(self._topics, self._flusher),
            GroupApi(self._topics, self._groups, self._store, self._flusher, node),
            AdminApi(self._topics, self._store, node),
        )
        self._handlers = {
            key: next(getattr(part, api.name) for part in parts if hasattr(part, api.name))
            for key, api in APIS.items()
        }
        self._jobs = [
            asyncio.create_task(self._groups.sweep_forever()),
            asyncio.create_task(self._enforce_retention()),
        ]
        log.info("listening on %s:%d, %d topics", self._host, self.port, len(self._topics.names()))

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop; raises if one of the broker's own jobs fails."""
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopping, *self._jobs], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self.close()
        for task in done:
            task.result()

    async def close(self) -> None:
        """Stop listening, drop the connections, close the files."""
        if self._server is not None:
            self._server.close()
        for job in self._jobs:
            job.cancel()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)  # let cancelled requests end before their files close
        self._topics.close()
        self._store.close()

    def answer(self, request: Request) -> Fields | Awaitable[Fields] | None:
        """Handle a request; None means that the client wants no answer."""
        return self._handlers[request.key](request)

    async def _enforce_retention(self) -> None:
        while True:
            await asyncio.sleep(RETENTION_INTERVAL)
            try:
                self._topics.enforce_retention()
            except OSError:
                log.exception("cannot delete old segments; trying again")


class Connection(asyncio.Protocol):
    """One client. Its requests are answered one after the other, as Kafka does."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = True
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._peer: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = transport.get_extra_info("peername")
        if len(self._broker.connections) >= MAX_CONNECTIONS:
            self._refuse(f"more than {MAX_CONNECTIONS} connections")
        self._broker.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._serve()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._serve()

    def connection_lost(self, exc: Exception | None) -> None:
        self._broker.connections.discard(self)
        if self._task is not None:
            self._task.cancel()  # nobody waits for the answer any more

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    def _serve(self) -> None:
        """Answer what has come in completely, unless a request is being answered."""
        try:
            while self._task is None and self._writable and not self._transport.is_closing():
                frame = self._next_frame()
                if frame is None:
                    break
                request = decode_request(frame)
                answer = self._broker.answer(request)
                if inspect.isawaitable(answer):
                    self._task = asyncio.create_task(self._finish(request, answer))
                elif answer is not None:
                    self._transport.write(encode_response(request, answer))
        except MalformedRequestError as error:
            self._refuse(str(error))
        except Exception:
            log.exception("a request of %s failed", self._peer)
            self._transport.abort()
        busy = self._task is not None or not self._writable
        if busy and len(self._buffer) > _READ_AHEAD:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    async def _finish(self, request: Request, answer: Awaitable[Fields]) -> None:
        try:
            self._transport.write(encode_response(request, await answer))
        except Exception:
            log.exception("a request of %s failed", self._peer)
            self._transport.abort()
        self._task = None
        self._serve()

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < _FRAME_START.size:
            return None
        size, key = _FRAME_START.unpack_from(self._buffer)
        limit = MAX_PRODUCE_BYTES if key == PRODUCE else MAX_REQUEST_BYTES
        if not 8 <= size <= limit:
            raise MalformedRequestError(f"a request of {size} bytes with API key {key}")
        end = 4 + size
        if len(self._buffer) < end:
            return None
        with memoryview(self._buffer) as view:
            frame = bytes(view[4:end])
        del self._buffer[:end]
        return frame

    def _refuse(self, reason: str) -> None:
        log.warning("closing the connection of %s: %s", self._peer, reason)
        self._buffer.clear()
        self._transport.abort()
