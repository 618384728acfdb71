"""Uploads that arrive at the same moment share their look-ups."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pytest

from wakeline_ingest.api.together import Together
from wakeline_ingest.domain.errors import UnknownDatasetError
from wakeline_ingest.domain.records import DatasetRecord


class Stores:
    """A database of one asset and of datasets that can be made, and every read of it."""

    def __init__(self, *datasets: str) -> None:
        self.there = set(datasets)
        self.reads: list[Any] = []
        self.assets = self.datasets = self

    def open(self, session: None) -> "Stores":
        return self

    async def several(self, asset_ids: Iterable[str]) -> dict[str, Any]:
        self.reads.append(list(asset_ids))
        await asyncio.sleep(0)
        return {"set:2": "the asset"}

    async def get(self, dataset_id: str) -> DatasetRecord | None:
        self.reads.append(dataset_id)
        made = datetime(2026, 1, 1, tzinfo=UTC)
        return DatasetRecord(dataset_id, "", made) if dataset_id in self.there else None


async def test_each_upload_gets_its_own_asset_and_the_reads_are_shared() -> None:
    stores = Stores()
    together = Together(stores)  # type: ignore[arg-type]
    wanted = [f"set:{number}" for number in range(8)]
    found: list[Any] = await asyncio.gather(*(together.asset(each) for each in wanted))
    assert found == ["the asset" if each == "set:2" else None for each in wanted]
    assert list(chain(*stores.reads)) == wanted
    assert len(stores.reads) <= 2


async def test_a_dataset_is_looked_up_until_it_is_there() -> None:
    stores = Stores()
    together = Together(stores)  # type: ignore[arg-type]
    with pytest.raises(UnknownDatasetError):
        await together.require_dataset("set")
    stores.there.add("set")
    for _ in range(3):
        await together.require_dataset("set")
    assert stores.reads == ["set", "set"]
