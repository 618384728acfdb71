"""Asking a process of a service whether it can work."""

from __future__ import annotations

import asyncio
import http.client
import json
from http import HTTPStatus

from wakeline_embedded.ports import HOST


class NotReadyError(Exception):
    """A process answers, but says that it cannot work now."""

    code = "not-ready"


async def check(port: int) -> None:
    """Raise unless a service's process is ready; says what it waits for."""
    status, body = await asyncio.to_thread(_get, port, "/health/ready")
    if status == HTTPStatus.OK:
        return
    try:
        failed = {name: why for name, why in json.loads(body)["checks"].items() if why}
    except (ValueError, KeyError, TypeError):
        raise NotReadyError(f"port {port} answers {status}") from None
    raise NotReadyError("; ".join(f"{name}: {why}" for name, why in failed.items()))


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=4.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
