"""Calling receivers over HTTP: to the addresses that are allowed, and nowhere else."""

import asyncio
import socket
import time
from collections.abc import Collection

import httpx
import orjson

from wakeline_lineage.domain import webhooks
from wakeline_lineage.domain.errors import ReceiverNotAllowedError
from wakeline_lineage.domain.records import KeptEvent
from wakeline_lineage.domain.webhooks import Webhook
from wakeline_lineage.sealing import Seal, SealedSecretError

PATIENCE = 10.0
"""Seconds that a receiver has for its answer."""
READ = 2_000
"""Bytes of a refusal that are looked at."""


class HttpReceivers:
    """Sends signed events, one request each; follows no redirect, and uses no proxy.

    The name is looked up once for each request, its address is checked, and that address is
    called: an answer that changes between the check and the call has no effect.
    """

    def __init__(self, allowed: Collection[str], seal: Seal) -> None:
        self.allowed = frozenset(allowed)
        self._seal = seal
        self._http = httpx.AsyncClient(
            timeout=PATIENCE,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
        )

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def tell(self, webhook: Webhook, event: KeptEvent) -> str | None:
        """Send an event; None once the receiver has taken it in, else why it has not."""
        body = orjson.dumps(
            {
                "type": event.type,
                "timestamp": event.time,
                "position": event.position,
                "event": event.row_id,
                "service": event.service,
                "key": event.key,
                "sequence": event.sequence,
                "data": orjson.Fragment(event.data),
            }
        )
        return await self.send(webhook, event.id, body)

    async def send(self, webhook: Webhook, message_id: str, body: bytes) -> str | None:
        """Send a signed message; None once the receiver has taken it in, else why it has not."""
        try:
            secret = self._seal.open(webhook.secret)
        except SealedSecretError as error:
            return str(error)
        moment = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "wakeline",
            "webhook-id": message_id,
            "webhook-timestamp": str(moment),
            "webhook-signature": webhooks.signature(secret, message_id, moment, body),
        }
        try:
            async with asyncio.timeout(PATIENCE * 2):
                return await self._post(webhook.url, body, headers)
        except ReceiverNotAllowedError as error:
            return str(error)
        except (httpx.HTTPError, OSError) as error:
            return f"{type(error).__name__}: {error}"[:500]

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> str | None:
        host, port = webhooks.receiver_of(url, self.allowed)
        address = await _address(host, port)
        parsed = httpx.URL(url)
        netloc = f"[{host}]" if ":" in host else host
        default = {"http": 80, "https": 443}[parsed.scheme]
        request = self._http.build_request(
            "POST",
            parsed.copy_with(host=address),
            content=body,
            headers={**headers, "host": netloc if port == default else f"{netloc}:{port}"},
            extensions={"sni_hostname": host},
        )
        answer = await self._http.send(request, stream=True)
        try:
            if answer.is_success:
                return None
            said = b""
            async for chunk in answer.aiter_bytes():
                said += chunk
                if len(said) >= READ:
                    break
            words = said[:200].decode(errors="replace").strip()
            return f"HTTP {answer.status_code}{': ' + words if words else ''}"
        finally:
            await answer.aclose()


async def _address(host: str, port: int) -> str:
    """The address that a host is called at."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    why = webhooks.forbidden_address(host, address)
    if why is not None:
        raise ReceiverNotAllowedError(why)
    return address
