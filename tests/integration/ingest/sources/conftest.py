"""Ingest, and a bucket that a customer keeps images in."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.ingest.images import Bucket, bucket_of
from wakeline_ingest.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running

from .kit import SET, SOURCE, settings


@pytest.fixture
async def bucket(scope: Scope) -> AsyncIterator[Bucket]:
    async with bucket_of(scope) as opened:
        yield opened


@pytest.fixture
async def ingest(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings(scope)), scope) as process:
        yield process


@pytest.fixture
async def client(ingest: RunningService, bucket: Bucket) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest.client("engineer") as opened:
        await opened.put(SET, json={})
        made = await opened.put(SOURCE, json={"bucket": bucket.name, "prefix": "in/"})
        assert made.status_code == 200, made.text
        yield opened
