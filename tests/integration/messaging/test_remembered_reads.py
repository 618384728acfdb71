"""What a transaction has read by its id is remembered, and never shown older than it is."""

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
    match random.randrange(8):
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
        await collection.insert_one({"_id": "a"})
        assert await rows.find_one({"_id": "a"}) is not None
