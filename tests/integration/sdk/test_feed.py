"""The feed of changes over a real socket: server-sent events, both clients, the command line."""

import asyncio

import httpx
import pytest

from wakeline_sdk import Client

from . import fields
from .services import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def test_the_feed_is_followed_by_events_and_taken_up_again_where_it_was_left(
    platform: Platform,
) -> None:
    await fields.team(platform, "stream1")
    await platform.settled()
    headers = {
        "Authorization": f"Bearer {platform.token('engineer', 'p-feed')}",
        "Accept": "text/event-stream",
    }

    async def read(last: str | None, count: int) -> list[str]:
        resume = {} if last is None else {"Last-Event-ID": last}
        ids: list[str] = []
        url = f"{platform.urls['lineage']}/v1/changes"
        async with (
            httpx.AsyncClient(headers=headers | resume, timeout=30) as client,
            client.stream("GET", url) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    ids.append(line.removeprefix("id: "))
                if len(ids) == count:
                    return ids
        return ids

    first = await read(None, 1)
    following = asyncio.create_task(read(first[0], 1))
    await fields.team(platform, "stream2")
    assert int((await following)[0]) > int(first[0])
    async with platform.client("manager", "p-boss") as client:
        before = await client.changes.position()
        await fields.team(platform, "stream3")
        async for event in client.changes(before, types=["team.configured"]):
            assert event.position > before
            break

    def look(client: Client) -> list[int]:
        return [event.position for event in client.changes(follow=False)]

    positions = await platform.sync(look, "engineer", "p-feed")
    assert positions == sorted(set(positions))
    printed = await platform.done("changes", "--from", str(before), "--json")
    assert [one["position"] for one in printed.json] == [p for p in positions if p > before]
    assert "nobody is told" in (await platform.done("webhooks", "list")).out
    refused = await platform.command("webhooks", "add", "http://127.0.0.1:9/")
    assert (refused.code, "WEBHOOKS__RECEIVERS" in refused.err) == (1, True)
    refused = await platform.command("changes", role="reviewer")
    assert (refused.code, "forbidden" in refused.err) == (1, True)
