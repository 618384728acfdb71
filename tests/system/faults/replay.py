"""Tells everything once more: to the platform as it stands, and to services that know nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from tests.system.faults.evidence import Mongo, envelopes
from wakeline_events.base import ServiceName
from wakeline_labeling.handlers import handlers as labeling
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_lineage.handlers import handlers as lineage
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_messaging import Envelope, Handlers, Processor, Scope, Stores, create_indexes
from wakeline_messaging.handling import SWEEP_AFTER
from wakeline_prediction.handlers import handlers as prediction
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_review.handlers import handlers as review
from wakeline_review.store.unit_of_work import MongoReviewUnitOfWork
from wakeline_storage import Transactions
from wakeline_testing.interleaving import state_hash
from wakeline_training.handlers import handlers as training
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork

BATCH = 200
FRESH = "replayed_"
"""Prefix of the databases of services that know nothing."""


class Consumer(NamedTuple):
    """How a service takes in events."""

    handlers: Handlers
    unit_of_work: Any
    projections: frozenset[str] = frozenset()
    """Collections that events alone make: they come out the same in an empty database."""


CONSUMERS: dict[ServiceName, Consumer] = {
    "labeling": Consumer(labeling, LabelingUnitOfWork),
    "review": Consumer(review, MongoReviewUnitOfWork, frozenset({"projects", "benchmarks"})),
    "prediction": Consumer(
        prediction, MongoPredictionUnitOfWork, frozenset({"stages", "servings"})
    ),
    "lineage": Consumer(lineage, MongoLineageUnitOfWork, frozenset({"history", "edges"})),
    "training": Consumer(
        training,
        MongoTrainingUnitOfWork,
        frozenset({"assets", "benchmarks", "labels", "holdout_predictions"}),
    ),
}


async def hashes(mongo: Mongo, bootstrap: str, seed: int) -> dict[str, tuple[str, str]]:
    """What a replay makes of each service's state: the hash before it, and after it."""
    found: dict[str, tuple[str, str]] = {}
    for name, consumer in CONSUMERS.items():
        live = mongo[f"wakeline_{name}"]
        before = await state_hash(live)
        await _replay(mongo, f"wakeline_{name}", name, consumer, bootstrap, seed)
        found[f"{name}, told everything again"] = (before, await state_hash(live))
        if consumer.projections:
            fresh = mongo[f"{FRESH}{name}"]
            await mongo.drop_database(fresh.name)
            await create_indexes(fresh)
            await _replay(mongo, fresh.name, name, consumer, bootstrap, seed)
            anew = await _projection(mongo, fresh.name, consumer.projections)
            stands = await _projection(mongo, live.name, consumer.projections)
            found[f"{name}, told everything anew"] = (stands, anew)
    return found


async def _projection(mongo: Mongo, database: str, names: Iterable[str]) -> str:
    """The hash of some collections, but for the order in which topics happened to be mixed."""
    copy = f"{FRESH}copy"
    await mongo.drop_database(copy)
    for name in names:
        into = {"$out": {"db": copy, "coll": name}}
        await mongo[database][name].aggregate([{"$unset": "position"}, into])
    return await state_hash(mongo[copy])


async def _replay(
    mongo: Mongo, database: str, name: ServiceName, consumer: Consumer, bootstrap: str, seed: int
) -> None:
    def unit_of_work(session: AsyncClientSession | None, now: datetime) -> Any:
        return consumer.unit_of_work(Scope(name, mongo[database], session, now), None)

    processor = Processor(consumer.handlers, Stores(Transactions(mongo), unit_of_work))
    async for batch in _mixed(consumer.handlers.topics("wakeline"), bootstrap, Random(seed)):
        await processor.process(batch)
    await _swept(processor, mongo[database]["waiting"])


async def _swept(processor: Processor, waiting: AsyncCollection[dict[str, Any]]) -> None:
    """Look again at what waits, as a consumer does, until nothing more comes of it."""
    await processor.sweep()
    left = await waiting.count_documents({})
    while left:
        await asyncio.sleep(SWEEP_AFTER.total_seconds())
        await processor.sweep()
        before, left = left, await waiting.count_documents({})
        if left == before:
            return


async def _mixed(
    topics: Sequence[str], bootstrap: str, random: Random
) -> AsyncIterator[list[Envelope]]:
    """Batches of all topics, mixed as they like; only within a topic there is an order."""
    sources = [envelopes(bootstrap, topic) for topic in topics]
    while sources:
        source = random.choice(sources)
        batch: list[Envelope] = []
        async for envelope in source:
            batch.append(envelope)
            if len(batch) == random.randint(1, BATCH) or len(batch) == BATCH:
                break
        else:
            sources.remove(source)
        if batch:
            yield batch
