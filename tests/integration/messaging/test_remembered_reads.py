"""What a transaction has read by its id is remembered, and never shown older than it is."""

import asyncio
from random import Random
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_storage import BufferedCollection, Transactions, connect
from wakeline_testing import Scope

pytestmark = [pytest.mark.mongo]

IDS = [f"d{n}" for n in range(6)]
STEPS = 300


async def step(random: Random, rows: BufferedCollection, model: dict[str, int]) -> None:
    """One read or write of a few documents, and the same on a dictionary."""
    one, some, number = random.choice(IDS), random.sample(IDS, 3), random.randrange(1_000)
    match random.randrange(12):
        case 0:
            await rows.preload(some)
        case 1:
            rows.update({"_id": one}, {"$set": {"n": number}}, upsert=True)
            model[one] = number
        case 2:
            rows.replace({"_id": one}, {"n": number}, upsert=True)
            model[one] = number
        case 3:
            rows.replace({"_id": one}, {"n": number})
            model |= {one: number} if one in model else {}
        case 4:
            rows.delete({"_id": one})
            model.pop(one, None)
        case 5:
            rows.update_many({"_id": {"$in": some}}, {"$inc": {"n": 1}})
            model |= {each: model[each] + 1 for each in some if each in model}
        case 6:
            if one not in model:
                rows.insert({"_id": one, "n": number})
                model[one] = number
        case 7:
            rows.add_up(one, {"n": 3}, {"begun": True})
            model[one] = model.get(one, 0) + 3
        case 8:
            found = await rows.by_ids(some)
            wanted = {each: model[each] for each in some if each in model}
            assert {name: row["n"] for name, row in found.items()} == wanted
        case 9:
            assert await rows.existing(some) == model.keys() & set(some)
        case 10:
            found = await rows.by_ids(some, ["n"])
            wanted = {each: model[each] for each in some if each in model}
            assert {name: row["n"] for name, row in found.items()} == wanted
        case _:
            changed = await rows.find_one_and_update({"_id": one}, {"$inc": {"n": 10}})
            assert (changed is None) == (one not in model)
            model |= {one: model[one] + 10} if one in model else {}


@pytest.mark.parametrize("seed", range(3))
async def test_a_read_by_id_sees_every_write_before_it(scope: Scope, seed: int) -> None:
    settings = scope.mongo("labeling")
    client: AsyncMongoClient[dict[str, Any]] = connect(settings)
    async with client:
        collection = client[settings.database]["remembered"]
        await collection.insert_one({"_id": IDS[0], "n": 0})

        async def body(session: AsyncClientSession) -> dict[str, int]:
            random, rows, model = Random(seed), BufferedCollection(collection, session), {IDS[0]: 0}
            for _ in range(STEPS):
                await step(random, rows, model)
                looked_at = random.choice(IDS)
                row = await rows.find_one({"_id": looked_at})
                assert (row["n"] if row else None) == model.get(looked_at)
            await rows.flush()
            return model

        model = await Transactions(client).run(body)
        assert {row["_id"]: row["n"] async for row in collection.find()} == model


async def test_outside_of_a_transaction_nothing_is_remembered(scope: Scope) -> None:
    settings = scope.mongo("labeling")
    client: AsyncMongoClient[dict[str, Any]] = connect(settings)
    async with client:
        collection = client[settings.database]["remembered"]
        rows = BufferedCollection(collection, None)
        await rows.preload(["a"])
        assert await rows.find_one({"_id": "a"}) is None
        assert await rows.existing(["a", "b"]) == set()
        await collection.insert_one({"_id": "a"})
        assert await rows.find_one({"_id": "a"}) is not None
        assert await rows.existing(["a", "b"]) == {"a"}


@pytest.mark.parametrize("look", [BufferedCollection.preload, BufferedCollection.existing])
@pytest.mark.parametrize("write", ["update", "replace", "add up"])
async def test_what_somebody_else_inserts_meanwhile_is_found_by_the_next_try(
    scope: Scope, write: str, look: Any
) -> None:
    settings = scope.mongo("labeling")
    client: AsyncMongoClient[dict[str, Any]] = connect(settings)
    async with client:
        collection = client[settings.database]["remembered"]
        await collection.insert_one({"_id": "other", "n": 0})
        tries = 0

        async def body(session: AsyncClientSession) -> None:
            nonlocal tries
            tries += 1
            rows = BufferedCollection(collection, session)
            await look(rows, ["a", "b"])
            if tries == 1:
                await collection.insert_one({"_id": "a", "n": 1})
            for name in ("a", "b"):
                if write == "add up":
                    rows.add_up(name, {"n": 10}, {"m": 2})
                elif write == "update":
                    rows.update({"_id": name}, {"$inc": {"n": 10}, "$set": {"m": 2}}, upsert=True)
                else:
                    rows.replace({"_id": name}, {"n": 11, "m": 2}, upsert=True)
            await rows.flush()

        await Transactions(client).run(body)
        assert tries == 2
        found = {row["_id"]: row["n"] async for row in collection.find({"_id": {"$ne": "other"}})}
        assert found == {"a": 11, "b": 11 if write == "replace" else 10}


async def test_two_transactions_that_insert_one_document_do_it_one_after_the_other(
    scope: Scope,
) -> None:
    settings = scope.mongo("labeling")
    client: AsyncMongoClient[dict[str, Any]] = connect(settings)
    async with client:
        collection = client[settings.database]["remembered"]
        await collection.insert_one({"_id": "other", "n": 0})

        async def body(session: AsyncClientSession) -> None:
            rows = BufferedCollection(collection, session)
            await rows.preload(IDS)
            for name in IDS:
                rows.update({"_id": name}, {"$inc": {"n": 1}}, upsert=True)
            await rows.flush()

        await asyncio.gather(*(Transactions(client).run(body) for _ in range(8)))
        assert await collection.distinct("n", {"_id": {"$in": IDS}}) == [8]
