"""Probes tell the truth, and in time."""

import asyncio
import time
from typing import Any

from wakeline_http import readiness_of


async def passes() -> None:
    return None


async def raises() -> None:
    raise ConnectionError("mongo is away")


async def explains() -> str:
    return "the consumer is paused"


async def hangs() -> None:
    await asyncio.sleep(60)


async def test_a_process_whose_checks_pass_is_ready(app_of: Any, clients: Any) -> None:
    app = app_of(readiness=readiness_of({"mongo": passes, "s3": passes}))
    answer = await clients(app).get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"checks": {"mongo": None, "s3": None}})


async def test_a_failed_check_is_named_with_its_reason(app_of: Any, clients: Any) -> None:
    checks = {"mongo": raises, "kafka": explains, "s3": passes}
    answer = await clients(app_of(readiness=readiness_of(checks))).get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "mongo": "ConnectionError: mongo is away",
        "kafka": "the consumer is paused",
        "s3": None,
    }


async def test_a_check_that_hangs_fails_in_time_and_holds_up_no_other(
    app_of: Any, clients: Any
) -> None:
    app = app_of(readiness=readiness_of({"mongo": hangs, "kafka": hangs, "s3": passes}))
    client = clients(app)
    began = time.monotonic()
    ready, live = await asyncio.gather(client.get("/health/ready"), client.get("/health/live"))
    assert time.monotonic() - began < 2.4
    assert ready.json()["checks"] == {
        "mongo": "no answer within 2 s",
        "kafka": "no answer within 2 s",
        "s3": None,
    }
    assert (ready.status_code, live.status_code) == (503, 200)


async def test_readiness_of_ones_own_making_is_limited_too(app_of: Any, clients: Any) -> None:
    async def readiness() -> dict[str, str | None]:
        await asyncio.sleep(60)
        return {}

    answer = await clients(app_of(readiness=readiness)).get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"checks": {"readiness": "no verdict within 2.5 s"}}


async def test_probes_that_come_together_share_one_verdict(app_of: Any, clients: Any) -> None:
    asked = 0

    async def slow() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)

    client = clients(app_of(readiness=readiness_of({"mongo": slow})))
    await asyncio.gather(*(client.get("/health/ready") for _ in range(10)))
    assert asked == 1
    await client.get("/health/ready")
    assert asked == 2


async def test_a_store_that_comes_back_makes_ready_again(app_of: Any, clients: Any) -> None:
    away = True

    async def check() -> str | None:
        return "away" if away else None

    client = clients(app_of(readiness=readiness_of({"mongo": check})))
    assert (await client.get("/health/ready")).status_code == 503
    away = False
    assert (await client.get("/health/ready")).status_code == 200
