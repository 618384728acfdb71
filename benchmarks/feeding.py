"""Many small images by upload and by sync, and the memory that both take as there are more.

``IMAGES`` (default ``300,3000``) are the sizes: of each, that many files go into a bucket by plain
puts of a thread pool (the yardstick), are taken in from there by a sync, and are uploaded from a
folder by ``wakeline upload``, a process of its own. Reported: images a second with their ratios to
the puts, and the most memory that the command and the ingest process have had with each size.
"""

import asyncio
import io
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from minio import Minio
from PIL import Image

from benchmarks import processes
from benchmarks.cycle import _stack
from wakeline_embedded import credentials, identities
from wakeline_embedded.layout import Layout, Ports
from wakeline_embedded.seaweed import connect
from wakeline_embedded.state import StackState
from wakeline_sdk import AsyncClient

SIZES = tuple(int(size) for size in os.environ.get("IMAGES", "300,3000").split(","))
PLACING = timedelta(minutes=3)
"""So long uploads wait until what was synced is placed; of more than that they run beside it."""
WORKERS = 4
BUCKET = "source-feeding"
YARDSTICK = "puts of the same files to the same store, 4 threads"
GOALS = {"client_growth": ("<=", 1.25), "ingest_growth": ("<=", 1.25)}


async def measure() -> dict[str, Any]:
    """Feed each size to a platform of its own."""
    found: dict[str, Any] = {}
    client_mb, ingest_mb = [], []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="wakeline-feeding-") as folder:
            layout = Layout.prepared(Path(folder) / "stack")
            images = Path(folder) / "images"
            await asyncio.to_thread(_make, images, size)
            async with _stack(layout) as (client, _):
                puts, synced, uploaded, most = await _feed(client, layout, images, size)
        client_mb.append(most["client"])
        ingest_mb.append(most["ingest"])
        found |= {
            f"{size}_puts_s": round(size / puts, 1),
            f"{size}_sync_s": round(size / synced, 1),
            f"{size}_sync_ratio": round(puts / synced, 3),
            f"{size}_upload_s": round(size / uploaded, 1),
            f"{size}_upload_ratio": round(puts / uploaded, 3),
            f"{size}_client_mb": round(most["client"], 1),
            f"{size}_ingest_mb": round(most["ingest"], 1),
        }
    return {
        "sizes": str(SIZES),
        "client_growth": round(client_mb[-1] / client_mb[0], 3),
        "ingest_growth": round(ingest_mb[-1] / ingest_mb[0], 3),
        **found,
    }


async def _feed(
    client: AsyncClient, layout: Layout, images: Path, size: int
) -> tuple[float, float, float, dict[str, float]]:
    store = await asyncio.to_thread(_administrator, layout)
    began = time.perf_counter()
    await asyncio.to_thread(_put_all, store, images)
    puts = time.perf_counter() - began
    await client.datasets.create("synced")
    await client.sources.put("synced", "all", BUCKET)
    began = time.perf_counter()
    ended = await client.imports.wait(await client.sources.sync("synced", "all"))
    synced = time.perf_counter() - began
    assert ended.counts == {"new": size}, ended
    with suppress(TimeoutError):  # grouping is not what is measured, only its memory
        async with asyncio.timeout(PLACING.total_seconds()):
            while (await client.datasets.get("synced")).ingested < size:
                await asyncio.sleep(0.5)
    began = time.perf_counter()
    client_mb = await asyncio.to_thread(_upload, layout, images)
    uploaded = time.perf_counter() - began
    assert (await client.datasets.get("uploaded")).received == size
    most = {"client": client_mb, "ingest": processes.peak_mb(_ingest_of(layout))}
    return puts, synced, uploaded, most


def _upload(layout: Layout, images: Path) -> float:
    """Run the command, and return the most memory that it had, in MB."""
    words = ["upload", "uploaded", str(images), "--create", "--workers", str(WORKERS)]
    command = [sys.executable, "-c", "from wakeline_sdk.cli import main; main()", *words]
    env = {**os.environ, "WAKELINE_HOME": str(layout.root)}
    most = 0.0
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            most = max(most, processes.peak_mb(child.pid))
            time.sleep(0.1)
    assert child.returncode == 0, "wakeline upload failed"
    return most


def _ingest_of(layout: Layout) -> int:
    """The process id of ingest."""
    state = StackState.load(layout)
    assert state is not None
    (process,) = [one.process for one in state.records if one.name == "ingest"]
    assert process is not None
    return process.pid


def _administrator(layout: Layout) -> Minio:
    keys = credentials.kept(layout, [identities.ADMIN])[identities.ADMIN]
    store = connect(Ports.kept(layout).seaweed, keys.access, keys.secret)
    store.make_bucket(bucket_name=BUCKET)
    return store


def _put_all(store: Minio, images: Path) -> None:
    def put(path: Path) -> None:
        data = path.read_bytes()
        name = path.relative_to(images).as_posix()
        store.put_object(
            bucket_name=BUCKET, object_name=name, data=io.BytesIO(data), length=len(data)
        )

    with ThreadPoolExecutor(WORKERS) as threads:
        list(threads.map(put, sorted(images.rglob("*.png"))))


def _make(images: Path, size: int) -> None:
    """Pictures of smooth noise, no two alike, 1,000 in a folder."""
    random = np.random.default_rng(size)
    for number in range(size):
        path = images / f"{number // 1_000:04}" / f"{number:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 64)).save(path)
