"""Finding copies among pictures that look alike: what an image costs as the dataset grows.

``PICTURES`` (default 1,500) drawings of blood cells go into one dataset, batch by batch, as the job
of ingest takes them. One in five pairs has something that looks the same; every twentieth picture
is a copy of an earlier one: made smaller, cut out of it, or compressed. Reported: milliseconds of
looking up, comparing and filing an image in the first sixth and in the last, how many fingerprints
it had a key in common with, and the share of copies that came into the group of their original.
"""

import asyncio
import hashlib
import io
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.servers import migrated, servers
from wakeline_embedded.ports import free_port
from wakeline_ingest import usecases
from wakeline_ingest.domain.fingerprints import sketch
from wakeline_ingest.domain.records import AssetRecord, DatasetRecord, Declared
from wakeline_ingest.jobs import BATCH
from wakeline_ingest.ports import Preview
from wakeline_ingest.settings import Settings
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.wiring import service
from wakeline_process.runtime import Runtime
from wakeline_process.service import HttpSettings
from wakeline_testing.running import settings_of

PICTURES = int(os.environ.get("PICTURES", "1500"))
COPY_EVERY = 20
WIDTH, HEIGHT, CELLS = 320, 240, 45
UNEVEN = 3.0  # of 256 grey levels: one in five pairs of pictures shares a key
YARDSTICK = "the first sixth of the dataset"
GOALS = {"growth": ("<=", 2.0), "found": (">=", 0.95)}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Arrival = tuple[AssetRecord, Preview]
Pixels = NDArray[np.uint8]


async def measure() -> dict[str, Any]:
    """Fill a dataset, batch by batch."""
    async with servers() as scope:
        settings = settings_of(scope, "ingest", Settings, http=HttpSettings(port=free_port()))
        async with migrated(service(settings)) as runtime:
            return await _fill(runtime)


async def _fill(runtime: Runtime) -> dict[str, Any]:
    await _write(runtime, _make_dataset)
    batches = [range(at, min(at + BATCH, PICTURES)) for at in range(0, PICTURES, BATCH)]
    placed = [await _place(runtime, await asyncio.to_thread(_arrivals, each)) for each in batches]
    sixth = max(1, len(placed) // 6)
    (first, _), (last, shared) = (
        np.mean(part, axis=0).tolist() for part in (placed[:sixth], placed[-sixth:])
    )
    groups = {row["digest"]: row["group"] async for row in runtime.database["assets"].find()}
    copies = {number: _origin(number) for number in range(PICTURES)}
    found = [
        groups[_digest(number)] == groups[_digest(origin)]
        for number, origin in copies.items()
        if origin is not None
    ]
    return {
        "growth": round(last / first, 2),
        "found": round(float(np.mean(found)), 3),
        "groups": len(set(groups.values())),
        "pictures": PICTURES,
        "first_ms": round(first, 2),
        "last_ms": round(last, 2),
        "shared_with": round(shared, 1),
    }


async def _place(runtime: Runtime, arrivals: list[Arrival]) -> tuple[float, float]:
    """Place a batch; milliseconds and fingerprints that it shared a key with, an image."""
    await _write(runtime, partial(_add, arrivals=arrivals))
    library = cast(MongoIngestUnitOfWork, runtime.stores.open(None)).library
    prints = usecases.Prints(library, runtime.resources.depot, 1)
    taken = await prints.of(asset for asset, _ in arrivals)  # beforehand: it costs what it costs
    shared = [len(await library.sharing(each)) for each in taken.values()]
    began = time.perf_counter()
    plans = await usecases.plan_groups(library, prints, taken)
    await _write(runtime, partial(usecases.place, plans=plans))
    return 1000 * (time.perf_counter() - began) / len(arrivals), float(np.mean(shared))


async def _write(runtime: Runtime, change: Callable[[Any], Awaitable[None]]) -> None:
    async def body(session: Any) -> None:
        uow = cast(MongoIngestUnitOfWork, runtime.stores.open(session))
        await change(uow)
        await uow.write()

    await runtime.stores.transactions.run(body)


async def _make_dataset(uow: MongoIngestUnitOfWork) -> None:
    await uow.datasets.create(DatasetRecord("cells", "cells", BEGAN))


async def _add(uow: MongoIngestUnitOfWork, arrivals: list[Arrival]) -> None:
    for asset, preview in arrivals:
        uow.assets.add(asset, preview)


def _arrivals(numbers: Iterable[int]) -> list[Arrival]:
    return [_arrival(number) for number in numbers]


def _arrival(number: int) -> Arrival:
    origin = _origin(number)
    pixels = _drawn(number) if origin is None else _copied(_drawn(origin), number)
    digest = _digest(number)
    asset = AssetRecord(
        asset_id=f"cells:{digest}",
        dataset_id="cells",
        digest=digest,
        format="PNG",
        width=pixels.shape[1],
        height=pixels.shape[0],
        channels=3,
        bits=8,
        bytes=1,
        image=f"cells/{digest}",
        thumbnail=f"cells/{digest}.jpg",
        declared=Declared(""),
        received_at=BEGAN + timedelta(seconds=number),
    )
    return asset, Preview(asset.asset_id, b"", sketch(pixels))


def _origin(number: int) -> int | None:
    """The number of the picture that this one is a copy of."""
    if number % COPY_EVERY != COPY_EVERY - 1:
        return None
    of = int(np.random.default_rng(number).integers(0, number))
    return of - 1 if of % COPY_EVERY == COPY_EVERY - 1 else of


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def _drawn(number: int) -> Pixels:
    """A smear of blood: pale discs with darker rims, of every shape, on an uneven ground."""
    random = np.random.default_rng(number)
    pixels = np.full((HEIGHT, WIDTH, 3), (210, 200, 215), np.float32)
    for x, y in random.uniform((0, 0), (WIDTH, HEIGHT), (CELLS, 2)):
        centre, axes = (int(x), int(y)), random.normal(17, 3, 2).clip(6).astype(int)
        tone, turned = random.normal((180, 130, 150), 8), random.uniform(0, 180)
        for size, shade in ((1.0, tone), (0.5, tone + 25)):
            sides = (axes * size).astype(int).tolist()
            cv2.ellipse(pixels, centre, sides, turned, 0, 360, shade.tolist(), -1, cv2.LINE_AA)
    for side in (5, 12, 40):
        rough = random.normal(0, UNEVEN, (HEIGHT // side, WIDTH // side)).astype(np.float32)
        pixels += cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(cv2.GaussianBlur(pixels, (0, 0), 1.2), 0, 255).astype(np.uint8)


def _copied(pixels: Pixels, number: int) -> Pixels:
    how = number // COPY_EVERY % 3
    if how == 0:
        small = cv2.resize(pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        return small.astype(np.uint8, copy=False)
    if how == 1:
        return pixels[: HEIGHT * 3 // 4, : WIDTH * 3 // 4]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))
