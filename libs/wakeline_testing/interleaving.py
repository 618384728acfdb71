"""Replays events in any order that Kafka could deliver them in, and hashes what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any

from bson import BSON

from wakeline_messaging import Envelope, Processor

BOOKKEEPING = frozenset(
    {
        *("outbox", "streams", "marks", "parked", "waiting", "jobs", "idempotency"),
        *("replays", "operations", "migrations", "migrating"),
    }
)
"""How a state was reached, not the state."""


def interleaved(events: Iterable[Envelope], random: Random) -> list[Envelope]:
    """A delivery that Kafka allows: each stream in order, streams mixed at will, parts repeated.

    A repeated part stands for a consumer that died before it committed: it starts again some
    events earlier.
    """
    streams: dict[str, list[Envelope]] = {}
    for event in events:
        streams.setdefault(event.stream, []).append(event)
    queues = [list(reversed(stream)) for stream in streams.values()]
    order: list[Envelope] = []
    while queues:
        queue = random.choice(queues)
        order.append(queue.pop())
        if not queue:
            queues.remove(queue)
        if random.random() < 0.05:
            back = random.randint(1, 20)
            order.extend(order[-back:])
    return order


async def replayed(processor: Processor, events: Sequence[Envelope], random: Random) -> None:
    """Feed events in batches of random sizes."""
    at = 0
    while at < len(events):
        size = random.choice((1, 2, 5, 20, 60))
        await processor.process(events[at : at + size])
        at += size
    await processor.sweep()


async def state_hash(database: Any, without: frozenset[str] = BOOKKEEPING) -> str:
    """SHA-256 over every document that is state; times are left out, for they differ by run."""
    digest = hashlib.sha256()
    for name in sorted(await database.list_collection_names()):
        if name in without:
            continue
        documents = [_timeless(row) async for row in database[name].find({})]
        for encoded in sorted(BSON.encode({"": document}) for document in documents):
            digest.update(name.encode() + encoded)
    return digest.hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _timeless(value[key])
            for key in sorted(value)
            if not isinstance(value[key], datetime)
        }
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value
