"""Every event is kept once, whatever comes twice, late, unknown or in another order."""

import hashlib
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
from bson import BSON
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_lineage.handlers import handlers
from wakeline_lineage.migrations import MIGRATIONS
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_messaging import Processor, Scope, Stores, create_indexes
from wakeline_storage import Transactions, migrate
from wakeline_testing.interleaving import interleaved, replayed, state_hash

from . import loop
from .conftest import Witness

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

RUNS = 12


async def graph_hash(database: Any) -> str:
    """SHA-256 over the graph; positions are the order of arrival, which may differ."""
    digest = hashlib.sha256()
    for name in ("nodes", "edges", "members"):
        rows = [row async for row in database[name].find({}, {"position": 0})]
        for row in rows:
            for value in row.values():
                if isinstance(value, list):
                    value.sort()
        for encoded in sorted(BSON.encode(_sorted(row)) for row in rows):
            digest.update(name.encode() + encoded)
    return digest.hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return value


async def test_a_replay_of_all_topics_into_the_live_service_changes_nothing(
    witness: Witness,
) -> None:
    envelopes = await witness.told()
    before = await state_hash(witness.service.database)
    await witness.publisher.send(*interleaved(envelopes, Random(3)))
    await witness.service.settled()
    assert await state_hash(witness.service.database) == before
    gaps = await witness.get("/v1/history/gaps")
    assert (gaps["events"], gaps["gaps"]) == (len(envelopes), [])


async def test_any_interleaving_into_an_empty_database_gives_one_graph(witness: Witness) -> None:
    envelopes = await witness.told()
    expected = await graph_hash(witness.service.database)
    members = await witness.service.database["members"].find({}).to_list()
    facts = {"facts.members": loop.ASSETS + 1}
    runtime = witness.service.process.runtime
    database = runtime.client[witness.service.scope.database("replayed")]
    await create_indexes(database)
    await migrate(database, MIGRATIONS)

    def unit_of_work(session: AsyncClientSession | None, now: Any) -> MongoLineageUnitOfWork:
        return MongoLineageUnitOfWork(Scope("lineage", database, session, now), runtime.resources)

    processor = Processor(handlers, Stores(Transactions(runtime.client), unit_of_work))
    for seed in range(RUNS):
        for name in await database.list_collection_names():
            if name != "migrations":
                await database[name].delete_many({})
        random = Random(seed)
        await replayed(processor, interleaved(envelopes, random), random)
        assert await database["dead"].count_documents({}) == 0
        assert await database["parked"].count_documents({}) == 0
        kept = await database["history"].find({}).sort("position").to_list()
        assert {row["_id"] for row in kept} == {
            f"{e.topic.rsplit('.')[-1]}|{e.key}|{e.sequence}" for e in envelopes
        }
        # The job that reads the manifest is a runner's; what it stores is added here.
        await database["members"].insert_many(members)
        await database["nodes"].update_one(
            {"_id": f"dataset-version:{loop.VERSION}"}, {"$set": facts}
        )
        assert await graph_hash(database) == expected


async def test_an_event_of_an_unknown_type_is_kept_and_found(witness: Witness) -> None:
    known = witness.publisher.envelope(loop.example("label.rejected"))
    await witness.publisher.send(
        replace(
            known,
            type="label.admired",
            dataschema="events/label.admired/1.json",
            data=orjson.dumps({"label_id": "t.0.1", "how": ["much", 3]}),
        )
    )
    await witness.service.settled()
    (event,) = (await witness.get("/v1/history", node="label:t.0.1"))["items"]
    assert (event["type"], event["data"]["how"]) == ("label.admired", ["much", 3])
    assert (await witness.get("/v1/history/gaps"))["types"] == {"label.admired": 1}


async def test_a_missing_event_shows_as_a_gap_until_it_comes(witness: Witness) -> None:
    first, second, third = (
        witness.publisher.envelope(event) for event in [loop.example("label.rejected")] * 3
    )
    await witness.publisher.send(first, third)
    await witness.service.settled()
    # The third is parked behind the gap: the history holds no more than the unbroken beginning.
    assert (await witness.get("/v1/history/gaps"))["events"] == 1
    await witness.publisher.send(second)
    await witness.service.settled()
    found = await witness.get("/v1/history/gaps")
    assert (found["events"], found["streams"], found["gaps"]) == (3, 1, [])
    # What is lost in the database itself is named.
    await witness.service.database["history"].delete_one({"sequence": 2})
    found = await witness.get("/v1/history/gaps")
    (gap,) = found["gaps"]
    assert (gap["service"], gap["highest"], gap["missing"]) == ("review", 3, [2])
