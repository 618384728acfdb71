"""kill -9 of a service at any moment: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from random import Random

import orjson
import pytest

from wakeline_embedded.ports import free_port
from wakeline_messaging import create_indexes
from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import (
    BUCKETS,
    ISSUER,
    SERVICES,
    Publisher,
    published,
    settings_of,
)

from .toy import ToySettings, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]

ROOT = Path(__file__).parents[3]
KILLS = 12


def environment(scope: Scope, settings: ToySettings) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "WAKELINE_TOY_MONGO__DSN": settings.mongo.dsn.get_secret_value(),
        "WAKELINE_TOY_MONGO__DATABASE": settings.mongo.database,
        "WAKELINE_TOY_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "WAKELINE_TOY_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "WAKELINE_TOY_BLOBS__ENDPOINT": settings.blobs.endpoint,
        "WAKELINE_TOY_BLOBS__ACCESS_KEY": settings.blobs.access_key,
        "WAKELINE_TOY_BLOBS__SECRET_KEY": settings.blobs.secret_key.get_secret_value(),
        "WAKELINE_TOY_AUTH__ISSUER": ISSUER.issuer,
        "WAKELINE_TOY_AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "WAKELINE_TOY_HTTP__PORT": str(free_port()),
    }


async def start(env: dict[str, str], log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.messaging.toy_process",
            "all",
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=out,
        )


@pytest.mark.timeout(240)
async def test_a_service_killed_again_and_again_takes_in_every_event_once(
    scope: Scope, tmp_path: Path
) -> None:
    random = Random(20260301)
    settings = settings_of(scope, "prediction", ToySettings)
    await scope.make_topics(*SERVICES)
    await scope.make_buckets(*BUCKETS)
    publisher = Publisher(scope)
    async with open_runtime(toy(settings)) as runtime:
        await create_indexes(runtime.database)
        process = await start(environment(scope, settings), tmp_path / "toy.log")
        sent: Counter[str] = Counter()

        async def publish() -> None:
            for n in range(KILLS * 25):
                asset = f"a{random.randrange(40)}"
                if not sent[asset]:
                    await publisher.publish(ingested(asset))
                sent[asset] += 1
                await publisher.publish(rejected(asset, f"l{n}"))
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publish())
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0.5, 2.5))
            process.kill()
            await process.wait()
            process = await start(environment(scope, settings), tmp_path / "toy.log")
        await publishing
        try:
            async with asyncio.timeout(90):
                while True:
                    counts = {
                        row["_id"]: row.get("rejected", 0)
                        async for row in runtime.database["assets"].find({})
                    }
                    jobs = await runtime.database["jobs"].count_documents({})
                    waiting = await runtime.database["outbox"].count_documents({})
                    if counts == sent and not waiting and not jobs:
                        break
                    assert all(counts[a] <= sent[a] for a in counts), "counted twice"
                    await asyncio.sleep(0.5)
        except TimeoutError:
            pytest.fail(
                f"lost: {json.dumps(sent - Counter(counts))}, outbox {waiting}, jobs {jobs}\n"
                + (tmp_path / "toy.log").read_text()[-3_000:]
            )
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
        for name in ("dead", "parked", "waiting"):
            assert await runtime.database[name].count_documents({}) == 0
        # A killed runner's job may have been taken up again, but its effect is stored once.
        assert await runtime.database["counted"].distinct("n") == [1]
    sequences: dict[str, set[int]] = {}
    for envelope in await published(scope, "prediction"):
        sequences.setdefault(envelope.key, set()).add(envelope.sequence)
    assert {a: len(s) for a, s in sequences.items()} == dict(sent)
    assert all(s == set(range(1, len(s) + 1)) for s in sequences.values())
