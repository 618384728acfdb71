"""What the use cases of lineage need from outside."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from wakeline_lineage.domain.nodes import Story
from wakeline_lineage.domain.records import (
    Completeness,
    Direction,
    KeptEvent,
    Neighbour,
    NodeRecord,
)
from wakeline_lineage.domain.webhooks import Webhook


@dataclass(frozen=True)
class Wanted:
    """Which events of the history."""

    node: str | None = None
    service: str | None = None
    key: str | None = None
    types: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    snapshots: bool = True
    """Those too that only say again what was said before."""


class History(Protocol):
    """Every event, in the order in which it was taken in."""

    def add(self, event: KeptEvent) -> None: ...
    async def position(self) -> int: ...
    async def page(self, wanted: Wanted, after: int, limit: int) -> list[KeptEvent]: ...
    async def completeness(self) -> Completeness: ...
    async def before(self, moment: datetime) -> int: ...
    async def count(self, wanted: Wanted, after: int) -> int: ...


class Graph(Protocol):
    """What came of what."""

    def add(self, story: Story, event: str) -> None: ...
    def add_members(self, version: str, members: Sequence[str]) -> None: ...
    def set_facts(self, name: str, facts: Mapping[str, Any]) -> None: ...
    async def called(self, name: str) -> list[str]: ...
    async def nodes(self, names: Sequence[str]) -> dict[str, NodeRecord]: ...
    async def neighbours(
        self, names: Sequence[str], direction: Direction, fan: int, until: int
    ) -> dict[str, list[Neighbour]]: ...
    async def neighbours_page(
        self, name: str, direction: Direction, after: tuple[str, str], limit: int
    ) -> list[Neighbour]: ...


class Webhooks(Protocol):
    """Who is told what happens."""

    async def count(self) -> int: ...
    async def get(self, webhook_id: str) -> Webhook | None: ...
    async def all(self) -> list[Webhook]: ...
    async def enabled(self) -> list[Webhook]: ...
    async def progress(
        self, webhook_id: str, revision: int, changes: Mapping[str, Any]
    ) -> Webhook | None: ...
    def put(self, webhook: Webhook) -> None: ...
    def delete(self, webhook_id: str) -> None: ...


class Receivers(Protocol):
    """Those who are told, at the other end of a wire."""

    async def tell(self, webhook: Webhook, event: KeptEvent) -> str | None: ...


class LineageUnitOfWork(Protocol):
    """One transaction of the lineage service."""

    now: datetime

    @property
    def history(self) -> History: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def webhooks(self) -> Webhooks: ...
    def wake(self, kind: str) -> None: ...
    def enqueue(self, kind: str, job_id: str, payload: dict[str, Any]) -> None: ...


class Manifests(Protocol):
    """The manifests of dataset versions."""

    def lines(self, key: str) -> AsyncIterator[bytes]: ...
