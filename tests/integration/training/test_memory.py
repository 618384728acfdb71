"""What is read of manifests and models does not grow with them: a real store, counted bytes."""

import hashlib
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from wakeline_blobs import Blobs
from wakeline_testing import Scope
from wakeline_training.archive import DATASETS, BlobArchive

pytestmark = [pytest.mark.s3]

MIB = 1024 * 1024
SIZE = 32 * MIB


@pytest_asyncio.fixture(loop_scope="session")
async def blobs(scope: Scope) -> AsyncIterator[Blobs]:
    await scope.make_buckets(DATASETS)
    async with Blobs(scope.blobs("training")) as opened:
        yield opened


async def peak(call: Callable[[], Awaitable[Any]]) -> tuple[Any, int]:
    """What a call returns, and the most bytes that it held meanwhile."""
    tracemalloc.start()
    try:
        result = await call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def line(name: str, split: str, padding: int = 0) -> bytes:
    row = {"asset_id": f"d:{name}", "group": name, "split": split, "height": 4, "width": 8}
    return json.dumps({**row, "annotations": [], "padding": "x" * padding}).encode() + b"\n"


async def test_of_a_manifest_only_the_holdout_is_kept(scope: Scope, blobs: Blobs) -> None:
    trains = line("trains", "train", 100_000) * (SIZE // 2 // 100_000)
    manifest = line("first", "holdout") + trains + line("second", "holdout") + trains
    await blobs.put(DATASETS, "v/manifest.jsonl", manifest + line("last", "holdout").strip())
    archive = BlobArchive(blobs, scope.blobs("training"))
    found, most = await peak(lambda: archive.holdout("v/manifest.jsonl"))
    assert [truth.asset_id for truth in found] == ["d:first", "d:second", "d:last"]
    assert found[0].size == (4, 8)
    assert most < SIZE / 3


async def test_a_model_is_hashed_chunk_by_chunk(scope: Scope, blobs: Blobs) -> None:
    weights = bytes(range(256)) * (SIZE // 256)
    await blobs.put(DATASETS, "runs/r/1/model.onnx", weights)
    archive = BlobArchive(blobs, scope.blobs("training"))
    digest, most = await peak(lambda: archive.digest("runs/r/1/model.onnx"))
    assert digest == hashlib.sha256(weights).hexdigest()
    assert most < SIZE / 3
    assert await archive.digest("runs/r/2/model.onnx") is None
