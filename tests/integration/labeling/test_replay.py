"""Events from four topics in any order that Kafka allows: one state comes out."""

from random import Random
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_events.base import Event
from wakeline_events.ingest import AssetIngested
from wakeline_events.prediction import PredictionFailed
from wakeline_events.review import LabelSuperseded
from wakeline_events.shapes import AnnotationSet
from wakeline_events.training import ModelPublished, ModelRetired
from wakeline_labeling.handlers import handlers
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_messaging import Envelope, Processor, Scope, Stores
from wakeline_storage import Transactions
from wakeline_testing.interleaving import interleaved, replayed, state_hash

from .conftest import STAGE, Lab, asset, box
from .test_reviewing import accepted, label_of, rejected

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

RUNS = 40


async def history(lab: Lab) -> list[Envelope]:
    """A few leases and labels, and what the other services then say about them."""
    await lab.configure(control_share=0.3)
    await lab.ingest(range(9))
    await lab.no_waiting()
    leases = await lab.lease("ann", count=9)
    for lease in leases[:6]:
        assert (await lab.submit("ann", lease, box("a"))).status_code == 201
    await lab.service.settled()
    events: list[Event] = []
    for epoch in range(3):
        for number in range(9):
            if (number + epoch) % 4 == 3:
                told = await lab.prediction_of(number, 0.0, epoch)
                failed = told.model_dump(include={"asset_id", "stage_id", "task_id", "predictor"})
                events.append(
                    PredictionFailed(**failed, serving_epoch=epoch, code="no", reason="no")
                )
            else:
                events.append(
                    await lab.prediction_of(number, (number * 7 + epoch) % 10 / 10, epoch)
                )
    served: dict[str, Any] = {"stage_id": STAGE, "metrics": {}, "artefact_key": "k"}
    events += [
        ModelPublished(model_version="m1", serving_epoch=1, **served),
        ModelPublished(model_version="m2", serving_epoch=2, **served),
        ModelRetired(stage_id=STAGE, model_version="m2", serving_epoch=3, retired_by="boss"),
    ]
    for lease in leases[:3]:
        events.append(accepted(lease, merged=[label_of(lease)]))
        events.append(
            LabelSuperseded(
                asset_id=lease["asset"]["asset_id"],
                label_id=label_of(lease),
                stage_id=STAGE,
                task_id=lease["task_id"],
                reviewer_id="rex",
                annotations=AnnotationSet(count=0, items=()),
            )
        )
    events += [rejected(lease) for lease in leases[3:5]]
    new = [asset(n) for n in range(20, 25)]
    events += [AssetIngested(asset_id=a.asset_id, asset=a, bytes=1) for a in new]
    return [lab.publisher.envelope(event) for event in events]


async def test_any_interleaving_of_topics_gives_one_state(lab: Lab) -> None:
    envelopes = await history(lab)
    runtime = lab.service.process.runtime
    base = {
        name: await runtime.database[name].find({}).to_list()
        for name in await runtime.database.list_collection_names()
    }
    database = runtime.client[lab.service.scope.database("replayed")]
    for name in base:
        await database.create_collection(name)

    def unit_of_work(session: AsyncClientSession | None, now: Any) -> LabelingUnitOfWork:
        return LabelingUnitOfWork(Scope("labeling", database, session, now), runtime.resources)

    processor = Processor(handlers, Stores(Transactions(runtime.client), unit_of_work))
    hashes = set()
    for seed in range(RUNS):
        for name, rows in base.items():
            await database[name].delete_many({})
            if rows:
                await database[name].insert_many(rows)
        random = Random(seed)
        await replayed(processor, interleaved(envelopes, random), random)
        assert await database["dead"].count_documents({}) == 0
        assert await database["parked"].count_documents({}) == 0
        assert await database["waiting"].count_documents({}) == 0
        hashes.add(await state_hash(database))
    assert len(hashes) == 1
    slots = await database["slots"].find({"answer.epoch": 2}).to_list()
    assert len(slots) == 9
    assert await database["labels"].count_documents({"state": "rejected"}) == 2
    assert await database["labels"].count_documents({"acceptance.reviewer_id": "rex"}) == 3
