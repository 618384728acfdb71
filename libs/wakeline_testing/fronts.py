"""TLS before a server that speaks none: what a customer's load balancer is to the test's store."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wakeline_testing.certificates import HOST, Authority, Certificate


@asynccontextmanager
async def tls_front(
    server: str,
    certificate: Certificate,
    clients: Authority | None = None,
    port: int = 0,
    *,
    host: str = HOST,
) -> AsyncIterator[str]:
    """Serve by TLS what ``server`` (HOST:PORT) serves without; yields the front's own HOST:PORT.

    With ``clients`` only those are let in who show a certificate of that authority.
    """
    server_host, _, behind = server.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    if clients is not None:
        context.load_verify_locations(clients.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 16):
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError):
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(server_host, int(behind))
        await asyncio.gather(pump(reader, behind_writer), pump(behind_reader, writer))

    front = await asyncio.start_server(serve, host, port, ssl=context)
    try:
        yield f"{host}:{front.sockets[0].getsockname()[1]}"
    finally:
        front.close()
