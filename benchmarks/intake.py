"""Taking in predictions of five boxes each, for tasks that are open.

Bulk: ``PREDICTIONS`` (default 10,000) in requests of 1,000 from 4 clients, against ``insert_many``
of the same documents. Single: 16 clients, ``SINGLES`` (default 1,500) requests of one, against a
bare endpoint that inserts one document. The prediction service runs in a process of its own; the
requests are encoded before, and sent by a client that costs little beside it.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import aiohttp
import orjson

from benchmarks import events, processes
from benchmarks.servers import bare, migrated, process_of, servers
from wakeline_auth import Role
from wakeline_embedded import ports
from wakeline_geometry.shapes import Predicted
from wakeline_prediction.settings import Settings
from wakeline_prediction.usecases import projection
from wakeline_prediction.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.runtime import Runtime
from wakeline_process.service import HttpSettings
from wakeline_testing.running import ISSUER, settings_of

PREDICTIONS = int(os.environ.get("PREDICTIONS", "10000"))
SINGLES = int(os.environ.get("SINGLES", "1500"))
BULK, SENDERS = 1_000, 4
CLIENTS = 16
YARDSTICK = "insert_many of the same documents; a bare endpoint that inserts one"
GOALS = {
    "bulk_per_second": (">=", 8_000.0),
    "bulk_ratio": (">=", 0.2),
    "single_per_second": (">=", 300.0),
}
EITHER = [("bulk_per_second", "bulk_ratio")]
Item = dict[str, Any]


async def measure() -> dict[str, Any]:
    """Bulk first, then one by one, each before its yardstick."""
    async with servers() as scope:
        http = HttpSettings(port=ports.free_port())
        prediction = service(settings_of(scope, "prediction", Settings, http=http))
        async with migrated(prediction) as runtime, process_of(prediction, Kind.SERVE) as pid:
            url = f"http://127.0.0.1:{http.port}"
            spent = partial(processes.cpu_of_family, {pid: "prediction"})
            await _open_tasks(runtime)
            before = spent()
            bulk = await _bulk(url)
            cpu_of_bulk = processes.difference(spent(), before)
            stored = await runtime.database["uploads"].count_documents({})
            raw = await _insert(runtime)
            before = spent()
            single = await _singles(url, [_request([_item(n, 0.5)]) for n in range(SINGLES)])
            cpu_of_singles = processes.difference(spent(), before)
        async with bare(scope.mongo_dsn) as bare_url:
            alone = await _singles(bare_url, [_item(n, 0.5) for n in range(SINGLES)])
    return {
        "bulk_per_second": round(PREDICTIONS / bulk),
        "bulk_ratio": round(raw / bulk, 3),
        "single_per_second": round(SINGLES / single),
        "single_ratio": round(alone / single, 3),
        "insert_many_per_second": round(PREDICTIONS / raw),
        "bare_singles_per_second": round(SINGLES / alone),
        "predictions": PREDICTIONS,
        "stored": stored,
        "cpu_ms_a_prediction": processes.cpu_ms_each(cpu_of_bulk, PREDICTIONS),
        "cpu_ms_a_single": processes.cpu_ms_each(cpu_of_singles, SINGLES),
    }


def _item(number: int, score: float) -> Item:
    shapes = [
        Predicted(id=box.id, class_name=box.class_name, geometry=box.geometry, score=score)
        for box in events.boxes(number)
    ]
    return {
        "asset_id": events.asset(number).asset_id,
        "shapes": [shape.model_dump(mode="json") for shape in shapes],
    }


def _request(items: Sequence[Item]) -> Item:
    return {
        "project": events.PROJECT,
        "stage": "find",
        "predictor": "external.bench",
        "version": "1",
        "items": list(items),
    }


async def _open_tasks(runtime: Runtime) -> None:
    """Let the service know a project and its tasks, as its consumer would."""
    for first in range(0, PREDICTIONS, BULK):

        async def body(session: Any, first: int = first) -> None:
            uow: Any = runtime.stores.open(session)
            await projection.configure_project(uow, events.configured())
            for number in range(first, min(first + BULK, PREDICTIONS)):
                await projection.open_target(uow, events.opened(number))
            await uow.write()

        await runtime.stores.transactions.run(body)


async def _bulk(url: str) -> float:
    requests = [
        _request([_item(n, 0.9) for n in range(first, min(first + BULK, PREDICTIONS))])
        for first in range(0, PREDICTIONS, BULK)
    ]
    return await _post(url, requests, SENDERS)


async def _singles(url: str, requests: Sequence[Mapping[str, Any]]) -> float:
    return await _post(url, requests, CLIENTS)


async def _post(url: str, requests: Sequence[Mapping[str, Any]], clients: int) -> float:
    """Seconds that so many clients take for all requests, which are encoded before."""
    token = ISSUER.mint("p-sender", {Role.ENGINEER}, None)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    waiting = iter(enumerate([orjson.dumps(request) for request in requests]))
    async with aiohttp.ClientSession(url, headers=headers) as client:

        async def work() -> None:
            for number, body in waiting:
                key = {"Idempotency-Key": f"{clients}-{number}"}
                async with client.post("/v1/predictions", data=body, headers=key) as answer:
                    assert answer.status == 201, (await answer.text())[:300]
                    assert (await answer.json()).get("refused", 0) == 0, await answer.text()

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(clients)))
        return time.perf_counter() - started


async def _insert(runtime: Runtime) -> float:
    rows = runtime.database["benchmark_bare"]
    items = [_item(number, 0.9) for number in range(PREDICTIONS)]
    started = time.perf_counter()
    for first in range(0, PREDICTIONS, BULK):
        await rows.insert_many(items[first : first + BULK])
    return time.perf_counter() - started
