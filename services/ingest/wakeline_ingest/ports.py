"""What the use cases need from outside: stores, events, and the place where bytes lie."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from wakeline_events.base import AssetId, DatasetId, Event
from wakeline_ingest.domain.records import AssetRecord, AssetState, Counts, DatasetRecord


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that could not become an asset: a line of a dataset's report."""

    dataset_id: DatasetId
    file_name: str
    part: str
    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Filed:
    """A fingerprint as it is kept."""

    asset_id: AssetId
    dataset_id: DatasetId
    keys: tuple[int, ...]
    data: bytes
    """`Fingerprint.to_bytes`."""
    group: str | None
    """None until the asset is in its group."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """One file of an upload, on disk."""

    path: Path
    name: str
    digest: str
    """SHA-256 in hex."""
    bytes: int


class Datasets(Protocol):
    """Datasets and how far their files are."""

    async def get(self, dataset_id: DatasetId) -> DatasetRecord | None: ...
    async def create(self, dataset: DatasetRecord) -> DatasetRecord: ...
    async def take_turn(self, dataset_id: DatasetId, turn: int) -> bool:
        """Begin the next turn of placing assets, unless ``turn`` is over: at most one does."""
        ...

    async def page(self, after: DatasetId | None, limit: int) -> list[DatasetRecord]: ...
    async def counts(self, dataset_ids: Sequence[DatasetId]) -> dict[DatasetId, Counts]: ...
    def refuse(self, refusal: Refusal) -> None: ...
    async def refusals(
        self, dataset_id: DatasetId, after: str | None, limit: int
    ) -> list[tuple[str, Refusal]]: ...


class Assets(Protocol):
    """Assets and their fingerprints."""

    async def get(self, asset_id: AssetId) -> AssetRecord | None: ...
    async def known(self, dataset_id: DatasetId, digests: Sequence[str]) -> list[str]: ...
    async def page(
        self,
        dataset_id: DatasetId,
        state: AssetState | None,
        digest: str | None,
        after: AssetId | None,
        limit: int,
    ) -> list[AssetRecord]: ...
    def add(self, asset: AssetRecord, fingerprint: Filed) -> None: ...
    def place(self, asset_id: AssetId, group: str, neighbours: Sequence[AssetId]) -> None: ...


class IngestUnitOfWork(Protocol):
    """One transaction of this service."""

    now: datetime

    @property
    def datasets(self) -> Datasets: ...
    @property
    def assets(self) -> Assets: ...

    def emit(self, *events: Event) -> None: ...
    def enqueue(
        self,
        kind: str,
        job_id: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> None: ...


class Library(Protocol):
    """Fingerprints to look others up in, read outside any transaction.

    The groups of a dataset's assets are decided in turns: who decides reads the turn first, and
    may write only while it lasts. So each asset is compared with all that were placed before it.
    """

    async def turn(self, dataset_id: DatasetId) -> int: ...

    async def assets(self, asset_ids: Iterable[AssetId]) -> list[AssetRecord]: ...

    async def fingerprints(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, Filed]: ...

    async def candidates(self, fingerprint: Filed, limit: int) -> list[Filed]:
        """Grouped assets of the dataset that share keys, those that share most first."""
        ...


class Depot(Protocol):
    """Where the bytes of assets lie."""

    async def put_file(self, key: str, path: Path, content_type: str) -> None: ...
    async def put(self, key: str, data: bytes, content_type: str) -> None: ...


Digests = Mapping[str, str]
