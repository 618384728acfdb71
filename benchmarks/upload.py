"""Uploading images: bytes a second through ingest, checked, stored and known.

``FILES`` (default 150) files of about 1 MB each (``FORMAT``: JPEG, the default, or TIFF) are sent
by 16 threads to the ingest service in a process of its own. The yardstick puts the same files into
the same object store from as many threads. ``placed_per_second`` is of what follows the answer: the
job that takes fingerprints, puts thumbnails in place and finds groups, in a process of its own; the
files are much alike, which is the most work for it. ``ratio_with_placing`` is of the same files
sent to a second dataset while that job runs beside. Of each the processor time a file is said by
process, and ``cpu_ratio`` is the yardstick's to ours: for a machine that is shared.
"""

import asyncio
import io
import itertools
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks import processes
from benchmarks.servers import migrated, servers
from wakeline_auth import Role
from wakeline_blobs import Blobs
from wakeline_embedded import ports
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.service import HttpSettings, Service
from wakeline_testing.own_process import own_process
from wakeline_testing.running import ISSUER, settings_of

CLIENTS = 16
FILES = int(os.environ.get("FILES", "150"))
FORMAT = os.environ.get("FORMAT", "JPEG")
SIDES = {"JPEG": (1200, 1600), "TIFF": (512, 683)}
YARDSTICK = "S3 puts of the same files"
GOALS = {"ratio": (">=", 0.5)}
Send = Callable[[int, bytes], Awaitable[None]]


@dataclass(frozen=True)
class Timed:
    """How long all files took, and what of the processor."""

    seconds: float
    p95_ms: float
    """Of one file."""
    cpu: processes.Spent

    @property
    def cpu_ms(self) -> str:
        """Milliseconds of processor time a file."""
        return processes.cpu_ms_each(self.cpu, FILES)


async def measure() -> dict[str, float | int | str]:
    """Upload all files, put them, place them, and upload them again while they are placed."""
    files = list(_files())
    async with servers() as scope:

        def ingest() -> Service[Any, Any]:
            http = HttpSettings(port=ports.free_port())
            return service(settings_of(scope, "ingest", Settings, http=http))

        one, other = ingest(), ingest()
        url = f"http://127.0.0.1:{one.settings.http.port}"
        async with migrated(one) as runtime, own_process(one, Kind.SERVE) as serving:
            with _sending(url, "bench") as send:
                ours = await _timed(files, send, {serving.pid: "ingest"})
            async with Blobs(one.settings.blobs) as blobs:

                async def put(number: int, data: bytes) -> None:
                    await blobs.put("assets", f"bare/{number}", data)

                bare = await _timed(files, put, {serving.pid: "ingest"})
            async with own_process(other, Kind.RUN) as placing:
                placed = await _until_placed(runtime.database)
                placed_cpu = processes.cpu_seconds(placing.pid)
                names = {serving.pid: "ingest", placing.pid: "placing"}
                with _sending(url, "beside") as send:
                    beside = await _timed(files, send, names)
    size = sum(map(len, files)) / 1e6
    return {
        "ratio": round(bare.seconds / ours.seconds, 3),
        "ratio_with_placing": round(bare.seconds / beside.seconds, 3),
        "cpu_ratio": round(sum(bare.cpu.values()) / sum(ours.cpu.values()), 3),
        "mb_per_second": round(size / ours.seconds, 1),
        "bare_mb_per_second": round(size / bare.seconds, 1),
        "p95_ms": ours.p95_ms,
        "cpu_ms_a_file": ours.cpu_ms,
        "bare_cpu_ms_a_file": bare.cpu_ms,
        "cpu_ms_a_file_with_placing": beside.cpu_ms,
        "placed_per_second": round(FILES / placed, 1),
        "placed_cpu_ms": round(placed_cpu * 1_000 / FILES, 1),
        "files": FILES,
        "mb_a_file": round(size / FILES, 2),
        "format": FORMAT,
    }


@contextmanager
def _sending(url: str, dataset: str) -> Iterator[Send]:
    """Upload to a new dataset, each file from one of as many threads as there are clients."""
    headers = {"Authorization": f"Bearer {ISSUER.mint('p-sender', {Role.ENGINEER}, None)}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=120) as client,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        client.put(f"/v1/datasets/{dataset}", json={}).raise_for_status()

        def upload(number: int, data: bytes) -> None:
            answer = client.post(
                f"/v1/datasets/{dataset}/assets",
                files={"image": (f"{number}.{FORMAT.lower()}", data)},
                headers={"Idempotency-Key": f"{dataset}-{number}"},
            )
            assert answer.status_code == 201, answer.text

        async def send(number: int, data: bytes) -> None:
            await asyncio.get_running_loop().run_in_executor(threads, upload, number, data)

        yield send


async def _until_placed(database: Any) -> float:
    """Seconds until no asset waits for its group any more."""
    started = time.perf_counter()
    while await database["previews"].count_documents({}):
        await asyncio.sleep(0.1)
    return time.perf_counter() - started


async def _timed(files: list[bytes], send: Send, names: Mapping[int, str]) -> Timed:
    """Send all files, as many at the same time as there are clients."""
    waiting: Iterator[tuple[int, bytes]] = iter(enumerate(files))
    each: list[float] = []

    async def client() -> None:
        for number, data in waiting:
            started = time.perf_counter()
            await send(number, data)
            each.append((time.perf_counter() - started) * 1_000)

    before = processes.cpu_of_family(names)
    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    seconds = time.perf_counter() - started
    spent = processes.difference(processes.cpu_of_family(names), before)
    return Timed(seconds, round(statistics.quantiles(each, n=20)[18], 1), spent)


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
