"""What the use cases need from outside: stores, events, and the place where bytes lie."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from wakeline_events.base import AssetId, DatasetId, Event
from wakeline_ingest.domain.imports import ImportRecord, ImportState, Line, Outcome
from wakeline_ingest.domain.records import (
    AssetRecord,
    AssetState,
    Counts,
    DatasetRecord,
    Presence,
)
from wakeline_ingest.domain.sources import Known, Listed, ObjectState, Place, SourceRecord
from wakeline_ingest.domain.uploads import UploadRecord


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
class Preview:
    """What is made of a new image's pixels at once, kept until the asset is in its group."""

    asset_id: AssetId
    thumbnail: bytes
    """JPEG."""
    sketch: bytes
    """What its fingerprint is taken from."""


@dataclass(frozen=True, slots=True)
class Filed:
    """A fingerprint as it is kept."""

    asset_id: AssetId
    dataset_id: DatasetId
    keys: tuple[int, ...]
    """All of them while the asset waits for its group; once it is kept, those it is filed under."""
    data: bytes
    """`Fingerprint.to_bytes`."""
    group: str | None
    """None until the asset is in its group, which is when it is kept."""


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

    async def next_turn(self, dataset_id: DatasetId) -> None:
        """Begin the next turn: what was decided in this one is not written."""
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
    async def several(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, AssetRecord]: ...
    async def called(
        self, dataset_id: DatasetId, file_names: Collection[str]
    ) -> list[AssetRecord]: ...
    def describe(self, asset: AssetRecord) -> None:
        """Write down what is said of an asset now."""
        ...

    async def known(self, dataset_id: DatasetId, digests: Sequence[str]) -> list[str]: ...
    async def ingested(
        self, asset_id: AssetId | None, after: str, limit: int, *, absent: bool = False
    ) -> list[AssetRecord]: ...
    async def page(
        self,
        dataset_id: DatasetId,
        state: AssetState | None,
        digest: str | None,
        presence: Presence | None,
        group: str | None,
        tags: Sequence[Sequence[str]],
        after: AssetId | None,
        limit: int,
    ) -> list[AssetRecord]: ...
    def add(self, asset: AssetRecord, preview: Preview) -> None: ...
    async def preview(self, asset_id: AssetId) -> Preview | None:
        """What there is of an asset before it is in its group; None from then on."""
        ...

    def place(self, asset_id: AssetId, filed: Filed, neighbours: Sequence[AssetId]) -> None:
        """Put an asset into a group and keep its fingerprint; its preview has been used."""
        ...

    def put_presence(self, asset: AssetRecord) -> None:
        """Note whether an asset's bytes are to be had, and where.

        Always a write, so that others see it.
        """
        ...


class Sources(Protocol):
    """Sources, and what is known of their objects."""

    async def get(self, dataset_id: DatasetId, source_id: str) -> SourceRecord | None: ...
    async def create(self, source: SourceRecord) -> SourceRecord: ...
    async def page(
        self, dataset_id: DatasetId, after: str | None, limit: int
    ) -> list[SourceRecord]: ...
    async def begin(self, source: SourceRecord, import_id: str) -> SourceRecord | None:
        """Begin the next sync, unless one is on its way."""
        ...

    def end(self, row_id: str, import_id: str) -> None: ...
    async def known(self, source: SourceRecord, keys: Sequence[str]) -> dict[str, Known]: ...
    async def missed(self, source: SourceRecord, limit: int) -> list[Known]: ...
    async def places(self, asset_id: AssetId, limit: int) -> list[Place]: ...
    async def holds(self, place: Place, asset_id: AssetId) -> bool: ...
    def met(self, source: SourceRecord, keys: Sequence[str]) -> None: ...
    def put(
        self, source: SourceRecord, listed: Listed, state: ObjectState, asset_id: AssetId | None
    ) -> None: ...
    def lost(self, source: SourceRecord, key: str) -> None: ...


class Imports(Protocol):
    """Imports and their reports."""

    async def get(self, import_id: str) -> ImportRecord | None: ...
    def add(self, record: ImportRecord) -> None: ...
    async def page(
        self, dataset_id: DatasetId, before: tuple[datetime, str] | None, limit: int
    ) -> list[ImportRecord]: ...
    def advance(
        self, import_id: str, cursor: Mapping[str, Any], counts: Mapping[Outcome, int]
    ) -> None: ...
    def end(
        self,
        import_id: str,
        state: ImportState,
        at: datetime,
        code: str | None = None,
        message: str | None = None,
    ) -> None: ...
    def report(self, import_id: str, line: Line) -> None: ...
    async def lines(
        self, import_id: str, outcomes: Sequence[Outcome], after: str | None, limit: int
    ) -> list[tuple[str, Line]]: ...


class Uploads(Protocol):
    """Declared uploads."""

    async def get(self, upload_id: str) -> UploadRecord | None: ...
    async def latest(self, name: str) -> UploadRecord | None:
        """The last upload of the file of this name."""
        ...

    def put(self, upload: UploadRecord) -> None: ...


class IngestUnitOfWork(Protocol):
    """One transaction of this service."""

    now: datetime

    @property
    def datasets(self) -> Datasets: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def imports(self) -> Imports: ...
    @property
    def uploads(self) -> Uploads: ...

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
    def dequeue(self, kind: str, job_id: str) -> None:
        """Take a job back; who runs it notices, and what it stores then is refused."""
        ...


class Library(Protocol):
    """Fingerprints to look others up in, read outside any transaction.

    The groups of a dataset's assets are decided in turns: who decides reads the turn first, and
    may write only while it lasts. So each asset is compared with all that were placed before it.
    """

    async def turn(self, dataset_id: DatasetId) -> int: ...

    async def assets(self, asset_ids: Iterable[AssetId]) -> list[AssetRecord]: ...

    async def previews(self, asset_ids: Iterable[AssetId]) -> list[Preview]: ...

    async def fingerprints(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, Filed]: ...

    async def sharing(self, fingerprint: Filed) -> dict[AssetId, frozenset[int]]:
        """Return what is filed in the dataset under some of these keys, and under which."""
        ...


class Depot(Protocol):
    """Where the bytes of assets lie."""

    async def put_file(self, key: str, path: Path, content_type: str) -> None: ...
    async def put(self, key: str, data: bytes, content_type: str) -> None: ...


Digests = Mapping[str, str]
