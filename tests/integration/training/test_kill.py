"""The service as a process of its own, killed in the middle of everything."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from wakeline_blobs import Blobs
from wakeline_embedded.ports import free_port
from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import (
    BUCKETS,
    ISSUER,
    SERVICES,
    Publisher,
)

from . import scenario
from .scenario import CUSTOMER, STAGE_ID, configured, labels, training

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


def environment(scope: Scope) -> dict[str, str]:
    """Settings as the embedded stack, or a cluster, gives them."""
    blobs, mongo = scope.blobs("training"), scope.mongo_of("training")
    own = {
        "MONGO__DSN": mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": mongo.database,
        "KAFKA__BOOTSTRAP": scope.kafka_bootstrap,
        "KAFKA__TOPIC_PREFIX": scope.topic_prefix,
        "BLOBS__ENDPOINT": blobs.endpoint,
        "BLOBS__ACCESS_KEY": blobs.access_key,
        "BLOBS__SECRET_KEY": blobs.secret_key.get_secret_value(),
        "BLOBS__REGION": blobs.region,
        "BLOBS__PREFIX": blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": json.dumps(ISSUER.jwks()),
        "HTTP__PORT": str(free_port()),
        "TRAINER__COMMAND": json.dumps(CUSTOMER),
        "TRAINER__BEAT": "PT0.1S",
    }
    return os.environ | {f"WAKELINE_TRAINING_{name}": value for name, value in own.items()}


async def command(scope: Scope, kind: str, temporary: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "wakeline_training", kind),
        env=environment(scope) | {"TMPDIR": str(temporary)},
    )


async def until(holds: Callable[[], Awaitable[Any]], limit: float = 90) -> Any:
    async with asyncio.timeout(limit):
        while not (found := await holds()):
            await asyncio.sleep(0.05)
        return found


async def test_a_service_killed_in_training_and_after_done_makes_one_model(
    scope: Scope, tmp_path: Path
) -> None:
    await scope.make_topics(*SERVICES)
    await scope.make_buckets(*BUCKETS)
    assert await (await command(scope, "migrate", tmp_path)).wait() == 0
    publisher = Publisher(scope)
    await publisher.publish(configured(trigger=8, steps=20, step_seconds=0.1))
    await publisher.publish(*labels(8, holdout=6))
    async with (
        open_runtime(training(scope)) as runtime,
        Blobs(scope.blobs("training")) as blobs,
    ):
        runs = runtime.database["runs"]

        async def left(name: str) -> bool:
            keys = [info.key async for info in blobs.list("datasets", "runs/")]
            return any(key.endswith(name) for key in keys)

        for sign in ("step.json", "done.json"):
            process = await command(scope, "all", tmp_path)
            await until(lambda sign=sign: left(sign))  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            await process.wait()
        process = await command(scope, "all", tmp_path)
        run = await until(lambda: runs.find_one({"state": "completed"}))
        await until(lambda: _empty(runtime.database["outbox"]))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        assert os.listdir(tmp_path) == [], "of those that were killed nothing is left"
        assert await runtime.database["models"].count_documents({}) == 1
        stage = await runtime.database["stages"].find_one({"_id": STAGE_ID})
        assert stage["serving"] == run["model_version"]
        assert run["reported"]["resumed_at"] > 0
    kinds = [kind for kind, _ in await scenario.told(scope)]
    assert kinds[0] == "dataset.frozen"
    assert kinds[-2:] == ["model.trained", "model.published"]
    assert set(kinds[1:-2]) == {"training.started"}


async def _empty(rows: Any) -> bool:
    return bool(await rows.count_documents({}) == 0)
