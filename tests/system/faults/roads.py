"""Loopback proxies between services and stores: the network, where it can be cut or slowed."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Road:
    """The only way to one store."""

    def __init__(self, port: int, to: int, host: str = "127.0.0.1") -> None:
        self.port = port
        self.delay = 0.0
        """Seconds by which everything is held up, in both directions."""
        self._to = to
        self._host = host
        self._closed = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Let connections through."""
        if self._server is None:
            self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Break all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        except asyncio.CancelledError:
            return  # the loop ends: whoever serves a connection must not end as cancelled
        finally:
            self._open -= {writer, back}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        # one side ended, however it did: so does the other, as over a broken line
        with suppress(OSError):
            writer.close()
