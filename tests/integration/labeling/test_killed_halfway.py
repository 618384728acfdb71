"""What takes many transactions, killed between and within them: done once it is asked for again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import httpx
import orjson
import pytest

from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_events.labeling import BenchmarkSet, LabelCompleted
from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_process.lines import PART_LINES
from wakeline_process.processes import Kind
from wakeline_process.republishing import PAGE
from wakeline_process.service import HttpSettings
from wakeline_testing import Scope
from wakeline_testing.interleaving import state_hash
from wakeline_testing.own_process import own_process
from wakeline_testing.running import ISSUER, Publisher, published, running, settings_of

from .conftest import Lab, asset, box
from .test_imports import BENCHMARKS, LABELS, line

pytestmark = [
    pytest.mark.long,
    pytest.mark.mongo,
    pytest.mark.kafka,
    pytest.mark.s3,
    pytest.mark.timeout(600),
]
ASSETS = 2 * PART_LINES + 100
WRONG = 3
"""Lines at the end of a file that are refused."""
Ask = Callable[[httpx.AsyncClient, asyncio.Event], Awaitable[httpx.Response]]
"""Asks; what comes last is asked for once the event is set, so that no kill comes too late."""
Moment = Callable[[], Awaitable[bool]]
"""Whether it has come."""


async def asked_until_answered(
    scope: Scope, ask: Ask, moments: Sequence[Moment], seed: int
) -> httpx.Response:
    """Ask a process that serves, which is killed soon after each of some moments has come."""
    chance = Random(seed)
    settings = settings_of(scope, "labeling", Settings, http=HttpSettings(port=free_port()))
    token = ISSUER.mint("boss", {Role.ADMIN}, None)
    url, headers = f"http://127.0.0.1:{settings.http.port}", {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        end = asyncio.Event()
        for has_come in moments:
            async with own_process(service(settings), Kind.SERVE) as process:
                asking = asyncio.create_task(_unlocked(ask, client, end))
                while not await has_come():
                    assert not asking.done(), asking.result().text
                    await asyncio.sleep(0.002)
                await asyncio.sleep(chance.uniform(0, 0.15))
                process.kill()
                asking.cancel()
                with suppress(asyncio.CancelledError, httpx.TransportError):
                    await asking
        end.set()
        async with own_process(service(settings), Kind.SERVE):
            return await _unlocked(ask, client, end)


async def _unlocked(ask: Ask, client: httpx.AsyncClient, end: asyncio.Event) -> httpx.Response:
    """Ask until the database has given up what a dead process had locked."""
    while (answer := await ask(client, end)).status_code == 503:
        await asyncio.sleep(0.1)
    return answer


def lines_to(path: str, lines: Sequence[bytes], **params: Any) -> Ask:
    """A request whose lines come as a file is read, not all at once."""

    async def body(end: asyncio.Event) -> AsyncIterator[bytes]:
        for start in range(0, len(lines), 100):
            if start + 100 >= len(lines):  # for ever would hide an answer that comes early
                await asyncio.wait_for(end.wait(), 30)
            yield b"".join(one + b"\n" for one in lines[start : start + 100])
            await asyncio.sleep(0.02)

    async def ask(client: httpx.AsyncClient, end: asyncio.Event) -> httpx.Response:
        headers = {"Idempotency-Key": "the-file"}
        try:
            return await client.post(path, params=params, content=body(end), headers=headers)
        except TimeoutError:
            return httpx.Response(503)

    return ask


async def known(lab: Lab, count: int) -> None:
    """Let assets be known, of which no task is open yet."""
    uow: Any = lab.service.stores.open(None)
    for number in range(count):
        uow.assets.add(asset(number), [])
    await uow.write()


def through(lab: Lab, least: int) -> Moment:
    """Whether so many lines of an import are taken in."""

    async def has_come() -> bool:
        row = await lab.service.database["line_imports"].find_one({"_id": "boss:the-file"})
        return (row["through"] if row else 0) >= least

    return has_come


@pytest.mark.parametrize(
    ("path", "params", "rows", "told"),
    [
        (LABELS, {"source": "cvat", "trusted": True}, "labels", LabelCompleted),
        (BENCHMARKS, {}, "benchmarks", BenchmarkSet),
    ],
    ids=["labels", "benchmarks"],
)
async def test_an_import_of_lines_that_is_killed_halfway_is_taken_up_where_it_was(
    lab: Lab, path: str, params: dict[str, Any], rows: str, told: type[Any]
) -> None:
    await lab.configure()
    await known(lab, ASSETS)
    lines = [line(number, box("a")) for number in range(ASSETS + WRONG)]
    moments = [through(lab, least) for least in (0, PART_LINES, 2 * PART_LINES)]
    answer = await asked_until_answered(
        lab.service.scope, lines_to(path, lines, **params), moments, seed=7
    )
    summary, *refused = map(orjson.loads, answer.text.splitlines())
    assert (summary["stored"], summary["refused"]) == (ASSETS, WRONG)
    assert [one["line"] for one in refused] == [ASSETS + 1 + n for n in range(WRONG)]
    assert await lab.service.database[rows].count_documents({}) == ASSETS
    await lab.service.settled()
    events = [each.event() for each in await published(lab.service.scope, "labeling")]
    counted = Counter(one.asset_id for one in events if isinstance(one, told))
    assert counted == Counter(asset(number).asset_id for number in range(ASSETS))


async def test_state_that_is_said_again_is_said_once_whoever_dies_meanwhile(lab: Lab) -> None:
    count = 2 * PAGE + 50
    await lab.configure()
    await known(lab, count)
    lines = b"\n".join(line(number, box("a")) for number in range(count))
    (await lab.manager.post(BENCHMARKS, content=lines)).raise_for_status()
    await lab.service.settled()
    pages: dict[str, str | None] = {}
    """Where a page began -> where the next one does."""

    async def ask(client: httpx.AsyncClient, end: asyncio.Event) -> httpx.Response:
        after = ""
        while True:
            if len(pages) == 2:
                await end.wait()
            body = {"type": BenchmarkSet.TYPE, "after": after}
            headers = {"Idempotency-Key": f"page-{after}"}
            answer = await client.post(
                "/v1/operations/labeling/republish", json=body, headers=headers
            )
            if answer.status_code != 200:
                return answer
            assert pages.setdefault(after, answer.json()["next"]) == answer.json()["next"]
            if answer.json()["next"] is None:
                return answer
            after = answer.json()["next"]

    def said(least: int) -> Moment:
        async def has_come() -> bool:
            kept = {"_id": {"$regex": "^boss:page-"}}
            return await lab.service.database["idempotency"].count_documents(kept) >= least

        return has_come

    moments = [said(least) for least in (1, 2)]
    answer = await asked_until_answered(lab.service.scope, ask, moments, seed=3)
    assert answer.status_code == 200, answer.text
    assert len(pages) == 3
    await lab.service.settled()
    envelopes = await published(lab.service.scope, "labeling")
    again = Counter(one.key for one in envelopes if one.type == BenchmarkSet.TYPE and one.snapshot)
    assert again == Counter(asset(number).asset_id for number in range(count))
    auditor = lab.service.client("auditor")
    (told,) = (await auditor.get("/v1/operations/labeling/log")).json()["items"]
    assert (told["action"], told["subject"], told["by"]) == ("republish", BenchmarkSet.TYPE, "boss")
    whole = (await auditor.get(f"/v1/operations/labeling/log/{told['id']}")).json()["row"]
    assert whole == {"key": None, "after": "", "published": count, "next": None}


async def test_a_replay_whose_consumers_are_killed_ends_and_changes_nothing(scope: Scope) -> None:
    publisher = Publisher(scope)
    chance = Random(11)
    settings = settings_of(scope, "labeling", Settings)
    own = settings_of(scope, "labeling", Settings, http=HttpSettings(port=free_port()))
    async with running(service(settings), scope) as whole:
        lab = Lab(whole, publisher)
        await lab.configure()
        await lab.ingest(range(300))
        before = await state_hash(whole.database)
        events = len(await published(scope, "labeling"))
    async with running(service(settings), scope, Kind.SERVE) as api:
        operator = api.client("admin")
        rows = api.database["replays"]
        wanted = {"topic": "ingest", "from": "beginning"}
        asked = await operator.post("/v1/operations/labeling/replays", json=wanted)
        assert asked.status_code == 202, asked.text
        replay_id = asked.json()["id"]

        async def parts() -> list[dict[str, Any]]:
            row = await rows.find_one({"_id": replay_id})
            assert row is not None
            return [*row["partitions"].values()]

        for _ in range(3):
            begun = len(await parts())
            async with own_process(service(own), Kind.CONSUME) as consumer:
                async with asyncio.timeout(60):
                    while (found := await parts()) == [] or (
                        len(found) == begun and not all("turned" in one for one in found)
                    ):
                        await asyncio.sleep(0.002)
                await asyncio.sleep(chance.uniform(0, 0.02))
                consumer.kill()
        async with own_process(service(own), Kind.CONSUME), asyncio.timeout(120):
            while (await rows.find_one({"_id": replay_id}))["ended_at"] is None:
                await asyncio.sleep(0.1)
        assert sum(one["until"] - one["from"] for one in await parts()) == 300
        assert await state_hash(api.database) == before
    assert len(await published(scope, "labeling")) == events
