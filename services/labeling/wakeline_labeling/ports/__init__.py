"""What use cases need of the world: stores, a unit of work, the bytes of images, and chance."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from wakeline_events.base import Event
from wakeline_events.shapes import AnnotationSet, PredictionSet
from wakeline_geometry.shapes import Annotation, Predicted
from wakeline_labeling.domain.queues import Waiting
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.domain.selection import Coins
from wakeline_labeling.ports.admission import Exams, OpenLeases
from wakeline_labeling.ports.queue import RequestRepeatedError, SeenBeforeError, SlotQueue
from wakeline_labeling.ports.slots import Slots
from wakeline_labeling.ports.steering import Actions, Steering, TaskSearch
from wakeline_labeling.ports.stores import (
    Assets,
    Benchmarks,
    Drafts,
    Labels,
    Prelabels,
    Projects,
    Tasks,
    Teams,
)

__all__ = [
    "Actions",
    "Assets",
    "Benchmarks",
    "Desk",
    "Drafts",
    "Exams",
    "Labels",
    "OpenLeases",
    "Pixels",
    "Prelabels",
    "Projects",
    "RequestRepeatedError",
    "SeenBeforeError",
    "Shelf",
    "SlotQueue",
    "Slots",
    "Steering",
    "TaskSearch",
    "Tasks",
    "Teams",
    "UnitOfWork",
]


class UnitOfWork(Protocol):
    """Everything that one use case loads from, stores to and emits through."""

    now: datetime
    """UTC, for records; leases take the database's time."""

    @property
    def projects(self) -> Projects:
        """Projects and their stages."""

    @property
    def teams(self) -> Teams:
        """Teams and people."""

    @property
    def assets(self) -> Assets:
        """What can be labeled."""

    @property
    def tasks(self) -> Tasks:
        """One an asset and stage."""

    @property
    def slots(self) -> Slots:
        """The labels that are wanted, and their leases."""

    @property
    def queue(self) -> SlotQueue:
        """Slots that wait, to whoever wants one."""

    @property
    def prelabels(self) -> Prelabels:
        """Predictions' shapes."""

    @property
    def labels(self) -> Labels:
        """What people submitted."""

    @property
    def drafts(self) -> Drafts:
        """Unfinished work."""

    @property
    def benchmarks(self) -> Benchmarks:
        """Trusted labels."""

    @property
    def exams(self) -> Exams:
        """Exams, one a stage and person."""

    @property
    def leases(self) -> OpenLeases:
        """Leases that are out."""

    @property
    def search(self) -> TaskSearch:
        """Tasks by what is asked for."""

    @property
    def actions(self) -> Actions:
        """What was asked to be done with many tasks."""

    @property
    def steering(self) -> Steering:
        """Changes of tasks that are no step of a lease."""

    async def arm_secret(self) -> bytes:
        """The key that arms are drawn with; made once, and never leaves the database."""

    def emit(self, *events: Event) -> None:
        """Publish events if, and only if, the transaction commits."""

    def enqueue(
        self,
        kind: str,
        job_id: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> None:
        """Leave work that takes longer."""

    def known(self, *names: str) -> None:
        """Say that something exists now: events that waited for it are handled."""

    async def write(self) -> None:
        """Send everything that waits to be written."""


class Shelf(Protocol):
    """Where geometry that is too large for an event lies."""

    async def shelve(self, annotations: Sequence[Annotation]) -> AnnotationSet:
        """The annotations, by value if they are small, else by reference; safe to repeat."""

    async def annotations(self, stored: AnnotationSet) -> tuple[Annotation, ...]:
        """The annotations that a set stands for."""

    async def predicted(self, stored: PredictionSet) -> tuple[Predicted, ...]:
        """The shapes that a set stands for."""


class Pixels(Protocol):
    """The bytes of images."""

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """An image's or band's bytes, in chunks."""


class Desk(Protocol):
    """What one process remembers in order to be quick; forgetting it changes nothing."""

    def coins(self) -> Coins:
        """What chance decides for one pick."""

    def coin(self) -> float:
        """A number in [0, 1)."""

    def new_id(self) -> str:
        """A name that nobody has."""

    def wait(self, name: str, rate: float) -> float:
        """Seconds until somebody may ask once more, at so many requests a second; 0: now."""

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        """Within it nobody else of this process has this turn."""

    async def length_of(self, queue: str, count: Callable[[], Awaitable[int]]) -> int:
        """How long a queue is, within a tenth or so; counted, by one for all, where that was too
        long ago."""

    async def front_of(
        self, queue: str, read: Callable[[], Awaitable[list[Waiting]]]
    ) -> list[Waiting]:
        """What is left of a queue's front, to be taken from; read again, by one for all, if it is
        used up or was read too long ago."""

    async def standing(
        self, queue: str, read: Callable[[], Awaitable[list[Waiting]]]
    ) -> list[Waiting]:
        """The slots that stand for benchmarks; read, by one for all, where that was too long
        ago."""

    def leased(self, slot: Slot) -> None:
        """Remember a slot as its lease pinned it: it is the same until the lease ends."""

    def lease_of(self, lease_id: str) -> Slot | None:
        """The slot as a lease pinned it, if it is remembered."""

    def shapes_of(self, prediction_id: str) -> tuple[Predicted, ...] | None:
        """The shapes of a prediction, if they are remembered."""

    def note_shapes(self, prediction_id: str, shapes: tuple[Predicted, ...]) -> None:
        """Remember the shapes of a prediction: they never change."""
