"""Exporting a dataset version as COCO: its time, and that memory does not grow with its length.

A version of ``LABELS`` (default 10,000) labels of five boxes each, and one of ``MANY`` (default
1,000,000), lie in an object store. Each is exported by the client, in a process of its own, from
the training service, in another. Memory is the peak of each process during its export.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks import processes
from benchmarks.servers import migrated, servers
from wakeline_auth import Role
from wakeline_blobs import Blobs
from wakeline_embedded.ports import free_port
from wakeline_process.runtime import Runtime
from wakeline_sdk import Client
from wakeline_testing import Scope
from wakeline_testing.running import ISSUER, settings_of
from wakeline_training.archive import DATASETS
from wakeline_training.domain.manifest import manifest_key
from wakeline_training.settings import Settings
from wakeline_training.wiring import service

LABELS = int(os.environ.get("LABELS", "10000"))
MANY = int(os.environ.get("MANY", "1000000"))
BOXES = 5
GOALS = {
    "seconds": ("<=", 1.5),
    "server_memory_growth": ("<=", 1.2),
    "client_memory_growth": ("<=", 1.2),
}


async def measure() -> dict[str, Any]:
    """Export the short version, then the long one."""
    async with servers() as scope:
        training = service(settings_of(scope, "training", Settings))
        async with migrated(training) as runtime:
            short = await _freeze(scope, runtime, LABELS)
            long = await _freeze(scope, runtime, MANY)
            async with _serving(runtime) as (url, process):
                few = await _export(url, process, short)
                many = await _export(url, process, long)
    return {
        "seconds": few["seconds"],
        "server_memory_growth": round(many["server_mb"] / few["server_mb"], 3),
        "client_memory_growth": round(many["client_mb"] / few["client_mb"], 3),
        "labels": LABELS,
        "server_mb": few["server_mb"],
        "client_mb": few["client_mb"],
        "many_labels": MANY,
        "many_seconds": many["seconds"],
        "many_mb_of_file": many["file_mb"],
        "many_server_mb": many["server_mb"],
        "many_client_mb": many["client_mb"],
    }


async def _freeze(scope: Scope, runtime: Runtime, labels: int) -> str:
    """Put a manifest where a freeze puts it; its name only has to be its own."""
    name = f"{labels:064x}"
    with tempfile.NamedTemporaryFile() as file:
        for number in range(labels):
            file.write(_line(number))
        file.flush()
        async with Blobs(scope.blobs("training")) as blobs:
            await blobs.put_file(DATASETS, manifest_key(name), Path(file.name))
    await runtime.database["dataset_versions"].insert_one(
        {
            "_id": name,
            "dataset_version": name,
            "stage_id": "bench/find",
            "project_id": "bench",
            "dataset_ids": ["bench"],
            "manifest_key": manifest_key(name),
            "splits": {},
            "classes": ["thing"],
            "left_out": {},
            "created_at": datetime.now(UTC),
        }
    )
    return name


def _line(number: int) -> bytes:
    boxes = [
        {
            "id": str(n),
            "class_name": "thing",
            "geometry": {"kind": "box", "corners": [n + 0.5, 10.25, n + 40.125, 60.0]},
            "attributes": {},
            "origin": "drawn",
            "prelabel_id": None,
        }
        for n in range(BOXES)
    ]
    row = {
        "annotations": boxes,
        "asset_id": f"bench:{number:064x}",
        "bands": {},
        "group": f"g{number}",
        "height": 480,
        "image": f"s3://assets/bench/{number:064x}",
        "label_id": f"{number:024x}.0.1",
        "split": "train" if number % 5 else "holdout",
        "width": 640,
    }
    return orjson.dumps(row) + b"\n"


@asynccontextmanager
async def _serving(runtime: Runtime) -> AsyncIterator[tuple[str, int]]:
    """The service in a process of its own: its URL and its process id."""
    known, port = runtime.service.settings, free_port()
    url = f"http://127.0.0.1:{port}"
    own = {
        "MONGO__DSN": known.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": known.mongo.database,
        "KAFKA__BOOTSTRAP": known.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": known.kafka.topic_prefix,
        "BLOBS__ENDPOINT": known.blobs.endpoint,
        "BLOBS__ACCESS_KEY": known.blobs.access_key,
        "BLOBS__SECRET_KEY": known.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": known.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": str(port),
        "SERVICES": json.dumps({"training": url}),
    }
    env = os.environ | {f"WAKELINE_TRAINING_{name}": value for name, value in own.items()}
    command = (sys.executable, "-m", "wakeline_training", "serve")
    quiet = subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=quiet, stderr=quiet)
    try:
        async with httpx.AsyncClient() as client:
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"training ended with {process.returncode}")
                try:
                    await client.get(f"{url}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield url, process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _export(url: str, server: int, version: str) -> dict[str, Any]:
    """Export in a client process; seconds, and the peak of both processes in MB."""
    _forget_peak(server)
    token = ISSUER.mint("p-engineer", {Role.ENGINEER}, None)
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.export", url, token, version),
        stdout=subprocess.PIPE,
    )
    said, _ = await client.communicate()
    if client.returncode != 0:
        raise RuntimeError(f"the export failed with {client.returncode}")
    told: dict[str, Any] = json.loads(said)
    return {**told, "server_mb": round(processes.peak_mb(server), 1)}


def _forget_peak(process: int) -> None:
    Path(f"/proc/{process}/clear_refs").write_text("5")


def main() -> None:
    """Be the client: export once, and say how it went."""
    url, token, version = sys.argv[1:]
    with Client(url, token) as client, tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        exported = client.dataset_versions.export(version, Path(folder) / "coco.json")
        seconds = time.perf_counter() - began
    peak = processes.peak_mb(os.getpid())
    figures = {"seconds": round(seconds, 3), "client_mb": round(peak, 1)}
    print(json.dumps({**figures, "file_mb": round(exported.bytes / 1e6, 1)}))


if __name__ == "__main__":
    main()
