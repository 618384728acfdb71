"""Uploading images: bytes a second through ingest, checked, stored and known.

``FILES`` (default 150) files of about 1 MB each (``FORMAT``: JPEG, the default, or TIFF) are sent
by 16 clients to the ingest service in a process of its own. The yardstick puts the same files into
the same object store with the same number of clients. ``placed_per_second`` is of what follows the
answer: the job that takes fingerprints, puts thumbnails in place and finds groups, in a process of
its own. Of each the processor time of our process a file is said too, for a machine that is shared.

Where the time goes (processor time a file of 20 JPEGs, on a busy machine, where a bare put took its
client 5.6 ms): 62 ms, of which the check 27 (reading the JPEG's stream 16.5, its sketch 6.3, its
thumbnail 2.6), the put 3.9, the form with its digest and its file 2.6. The other 28, HTTP, the
transaction and what a service does the first time, are not told apart yet. To read a file in full
costs three times what it costs to put it; it is read so that what is broken is refused at once.
"""

import asyncio
import io
import itertools
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.processes import cpu_seconds
from benchmarks.servers import migrated, servers
from wakeline_auth import Role
from wakeline_blobs import Blobs
from wakeline_embedded import ports
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.service import HttpSettings
from wakeline_testing.own_process import own_process
from wakeline_testing.running import ISSUER, settings_of

CLIENTS = 16
FILES = int(os.environ.get("FILES", "150"))
FORMAT = os.environ.get("FORMAT", "JPEG")
SIDES = {"JPEG": (1200, 1600), "TIFF": (512, 683)}
YARDSTICK = "S3 puts of the same files"
GOALS = {"ratio": (">=", 0.5)}
Send = Callable[[int, bytes], Awaitable[None]]


async def measure() -> dict[str, float | int | str]:
    """Upload all files, then put them."""
    files = list(_files())
    async with servers() as scope:
        http = HttpSettings(port=ports.free_port())
        ingest = service(settings_of(scope, "ingest", Settings, http=http))
        async with migrated(ingest) as runtime:
            async with own_process(ingest, Kind.SERVE) as serving:
                started = cpu_seconds(serving.pid)
                ours, slowest = await _through(f"http://127.0.0.1:{http.port}", files)
                cpu = cpu_seconds(serving.pid) - started
            async with own_process(ingest, Kind.RUN) as placing:
                started = cpu_seconds(placing.pid)
                placed = await _until_placed(runtime.database)
                placed_cpu = cpu_seconds(placing.pid) - started
        async with Blobs(ingest.settings.blobs) as blobs:

            async def put(number: int, data: bytes) -> None:
                await blobs.put("assets", f"bare/{number}", data)

            before = time.process_time()
            bare, _ = await _timed(files, put)
            bare_cpu = time.process_time() - before
    size = sum(map(len, files)) / 1e6
    return {
        "ratio": round(bare / ours, 3),
        "mb_per_second": round(size / ours, 1),
        "bare_mb_per_second": round(size / bare, 1),
        "p95_ms": slowest,
        "cpu_ms": round(cpu * 1_000 / FILES, 1),
        "bare_cpu_ms": round(bare_cpu * 1_000 / FILES, 1),
        "placed_per_second": round(FILES / placed, 1),
        "placed_cpu_ms": round(placed_cpu * 1_000 / FILES, 1),
        "files": FILES,
        "mb_a_file": round(size / FILES, 2),
        "format": FORMAT,
    }


async def _through(url: str, files: list[bytes]) -> tuple[float, float]:
    headers = {"Authorization": f"Bearer {ISSUER.mint('p-sender', {Role.ENGINEER}, None)}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        (await client.put("/v1/datasets/bench", json={})).raise_for_status()

        async def send(number: int, data: bytes) -> None:
            name = f"{number}.{FORMAT.lower()}"
            answer = await client.post(
                "/v1/datasets/bench/assets",
                files={"image": (name, data)},
                headers={"Idempotency-Key": f"bench-{number}"},
            )
            assert answer.status_code == 201, answer.text

        return await _timed(files, send)


async def _until_placed(database: Any) -> float:
    """Seconds until no asset waits for its group any more."""
    started = time.perf_counter()
    while await database["previews"].count_documents({}):
        await asyncio.sleep(0.1)
    return time.perf_counter() - started


async def _timed(files: list[bytes], send: Send) -> tuple[float, float]:
    """Seconds for all files with 16 clients, and the 95th percentile of one in milliseconds."""
    waiting: Iterator[tuple[int, bytes]] = iter(enumerate(files))
    each: list[float] = []

    async def client() -> None:
        for number, data in waiting:
            started = time.perf_counter()
            await send(number, data)
            each.append((time.perf_counter() - started) * 1_000)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.perf_counter() - started, round(statistics.quantiles(each, n=20)[18], 1)


def _files() -> Iterator[bytes]:
    """Files of different pictures, with about as much detail as photographs have."""
    random = np.random.default_rng(1)
    height, width = SIDES[FORMAT]
    coarse = Image.fromarray(random.integers(0, 200, (32, 43, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    grain = random.integers(0, 56, (height * 2, width, 3), dtype=np.uint8)
    for number in itertools.islice(itertools.count(), FILES):
        first = number * height // FILES
        picture = np.roll(smooth, number * 7, axis=1) + grain[first : first + height]
        out = io.BytesIO()
        Image.fromarray(picture).save(out, FORMAT, **({"quality": 90} if FORMAT == "JPEG" else {}))
        yield out.getvalue()
