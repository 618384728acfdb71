"""What a process of this service holds beside its database."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar
from uuid import uuid4
from weakref import WeakValueDictionary

from wakeline_blobs import Blobs, keep_shapes, load_shapes
from wakeline_events.shapes import AnnotationSet, PredictionSet
from wakeline_geometry.shapes import Annotation, Predicted
from wakeline_labeling.domain.queues import Waiting
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.domain.selection import Coins
from wakeline_labeling.store.projects import ProjectCache

LENGTH_SECONDS = 2.0
"""So long the length of a short queue is remembered."""
LEASED_PER_SECOND = 5_000
"""A queue of so many slots more is remembered a second longer: to count a million takes a while,
and nobody labels a tenth of them in three minutes."""
FRONT_SECONDS = 0.5
"""So long the front of a queue is remembered: a slot that is put first waits no longer."""
STANDING_SECONDS = 2.0
"""So long a stage's benchmarks are remembered; whether one still stands is asked once more."""
BURST_SECONDS = 1.0
"""So much of a limit on requests may be used at once."""
REMEMBERED_PEOPLE = 10_000
REMEMBERED_LEASES = 4_096
REMEMBERED_SHAPES = 1_024

V = TypeVar("V")


class BlobShelf:
    """Geometry that is too large for an event, as content-addressed blobs."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def shelve(self, annotations: Sequence[Annotation]) -> AnnotationSet:
        kept = await keep_shapes(self._blobs, "labels", annotations)
        return AnnotationSet.model_construct(count=kept.count, items=kept.items, blob=kept.blob)

    async def annotations(self, stored: AnnotationSet) -> tuple[Annotation, ...]:
        return await load_shapes(self._blobs, stored, Annotation)

    async def predicted(self, stored: PredictionSet) -> tuple[Predicted, ...]:
        return await load_shapes(self._blobs, stored, Predicted)


class BlobPixels:
    """The bytes of images in the bucket ``assets``."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def stream(self, key: str) -> AsyncIterator[bytes]:
        return self._blobs.stream("assets", key)


class Recent(Generic[V]):
    """A mapping that forgets what was used longest ago."""

    def __init__(self, size: int) -> None:
        self._held: OrderedDict[str, V] = OrderedDict()
        self._size = size

    def get(self, key: str) -> V | None:
        """The value, if it is remembered."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: str, value: V) -> None:
        """Remember a value."""
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._size:
            self._held.popitem(last=False)


@dataclass
class LocalDesk:
    """What one process remembers in order to be quick, and its source of chance."""

    chance: random.Random = field(default_factory=random.SystemRandom)
    _lengths: dict[str, tuple[float, int]] = field(default_factory=dict)
    _fronts: dict[str, tuple[float, list[Waiting]]] = field(default_factory=dict)
    _standing: dict[str, tuple[float, list[Waiting]]] = field(default_factory=dict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Of those who have theirs now, or wait for it."""
    _due: Recent[float] = field(default_factory=lambda: Recent(REMEMBERED_PEOPLE))
    _leases: Recent[Slot] = field(default_factory=lambda: Recent(REMEMBERED_LEASES))
    _shapes: Recent[tuple[Predicted, ...]] = field(
        default_factory=lambda: Recent(REMEMBERED_SHAPES)
    )

    def coins(self) -> Coins:
        return Coins(self.coin(), self.coin(), self.coin())

    def coin(self) -> float:
        return self.chance.random()

    def new_id(self) -> str:
        return uuid4().hex

    def wait(self, name: str, rate: float) -> float:
        now = monotonic()
        # Times at which the next request is due (GCRA): one number a person says it all.
        due = max(self._due.get(name) or 0.0, now)
        if due - now > BURST_SECONDS:
            return due - now - BURST_SECONDS
        self._due.put(name, due + 1 / rate)
        return 0.0

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._turns.setdefault(name, asyncio.Lock())

    async def length_of(self, queue: str, count: Callable[[], Awaitable[int]]) -> int:
        async with self._counting:
            good_until, length = self._lengths.get(queue, (0.0, 0))
            if monotonic() >= good_until:
                length = await count()
                good_for = LENGTH_SECONDS + length / LEASED_PER_SECOND
                self._lengths[queue] = (monotonic() + good_for, length)
            return length

    async def front_of(
        self, queue: str, read: Callable[[], Awaitable[list[Waiting]]]
    ) -> list[Waiting]:
        async with self._reading:
            read_at, front = self._fronts.get(queue, (0.0, []))
            if not front or monotonic() - read_at > FRONT_SECONDS:
                front = await read()
                self._fronts[queue] = (monotonic(), front)
            return front

    async def standing(
        self, queue: str, read: Callable[[], Awaitable[list[Waiting]]]
    ) -> list[Waiting]:
        async with self._counting:
            good_until, standing = self._standing.get(queue, (0.0, []))
            if monotonic() >= good_until:
                standing = await read()
                self._standing[queue] = (monotonic() + STANDING_SECONDS, standing)
            return standing

    def leased(self, slot: Slot) -> None:
        self._leases.put(slot.lease_id, slot)

    def lease_of(self, lease_id: str) -> Slot | None:
        return self._leases.get(lease_id)

    def shapes_of(self, prediction_id: str) -> tuple[Predicted, ...] | None:
        return self._shapes.get(prediction_id)

    def note_shapes(self, prediction_id: str, shapes: tuple[Predicted, ...]) -> None:
        self._shapes.put(prediction_id, shapes)


@dataclass(frozen=True)
class Resources:
    """Everything of a process that use cases and routes need beside the unit of work."""

    blobs: Blobs
    shelf: BlobShelf
    pixels: BlobPixels
    desk: LocalDesk
    projects: ProjectCache
