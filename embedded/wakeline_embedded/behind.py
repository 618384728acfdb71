"""How far the stack's services are behind: asked of them as any operator would."""

from __future__ import annotations

import asyncio

from wakeline_embedded import documents
from wakeline_embedded.layout import Layout
from wakeline_sdk import AsyncClient, UnreachableError, WakelineError
from wakeline_sdk.models import Backlog

NO_ANSWER = (WakelineError, UnreachableError)
_LIMIT = 5.0
"""Seconds for one answer: a status that hangs tells nobody anything."""


async def backlogs(layout: Layout) -> dict[str, Backlog | None]:
    """The backlog of every service; None where a service does not answer, {} where none does."""
    owner = documents.read(layout.client)
    if owner is None:
        return {}
    async with AsyncClient(owner["url"], owner["token"], timeout=_LIMIT, attempts=1) as client:
        try:
            names = sorted(await client.operations.services())
        except NO_ANSWER:
            return {}
        found = await asyncio.gather(*(_one(client, name) for name in names))
    return dict(zip(names, found, strict=True))


async def _one(client: AsyncClient, service: str) -> Backlog | None:
    try:
        return await client.operations.backlog(service)
    except NO_ANSWER:
        return None
