"""State that is said again: nothing changes for who knows it, and a newcomer learns all of it."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from wakeline_messaging import Processor
from wakeline_process.runtime import open_runtime
from wakeline_sdk import Upload
from wakeline_sdk.models import Verdict
from wakeline_testing.interleaving import BOOKKEEPING, replayed, state_hash
from wakeline_testing.running import published, settings_of
from wakeline_training.settings import Settings
from wakeline_training.wiring import service as training

from . import fields
from .fields import weed
from .services import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
SAID = {
    "ingest": ("asset.ingested",),
    "labeling": ("project.configured", "team.configured", "benchmark.set"),
    "review": ("label.accepted",),
    "training": ("model.published",),
}
NOT_STATE = BOOKKEEPING | {"datasets", "split_owners", "splits"}
"""Also left out: counters that only tell a freeze in progress that something came."""


async def hashes(platform: Platform) -> dict[str, str]:
    """Of each collection; but for the history, which keeps that something was said again."""
    found = {}
    for service, process in platform.services.items():
        names = frozenset(await process.database.list_collection_names())
        for name in names - NOT_STATE - {"history", "counters"}:
            found[f"{service}.{name}"] = await state_hash(process.database, names - {name})
    return found


async def test_state_that_is_said_again_changes_nothing_and_teaches_a_newcomer_everything(
    platform: Platform, tmp_path: Path
) -> None:
    name = "barley"
    paths = fields.images(tmp_path, 6, seed=9)
    async with platform.client("admin", "p-admin") as client:
        await client.datasets.create(name)
        await client.teams.put(name, name="Barley people")
        await client.datasets.upload_all(name, [Upload(path) for path in paths])
        await client.projects.apply(fields.document(name, training={"trainer": "boxes"}))
    await platform.settled()
    async with platform.client("labeler", "p-ann", name) as client:
        for lease in await client.leases.take(name, "mark", count=4):
            await client.leases.submit(lease, [weed()])
    await platform.settled()
    verdicts: list[Verdict] = []
    async with platform.client("reviewer", "p-rita", name) as client:
        for lease in await client.reviews.take(name, "mark", count=4):
            verdicts.append(await client.reviews.judge(lease, "accept"))
    await platform.settled()
    async with platform.client("reviewer", "p-rita", name) as client:
        await client.reviews.correct(verdicts[0].label_id, [weed("w9", left=40)])
    async with platform.client("admin", "p-admin") as client:
        known = {asset.asset_id async for asset in client.datasets.assets(name)}
        free = known - {label.asset.asset_id async for label in client.labels.list(name)}
        await client.projects.set_benchmarks(name, "mark", {sorted(free)[0]: [weed()]})
    await platform.settled()

    before = await hashes(platform)
    said: dict[str, int] = {}
    for service, types in SAID.items():
        for each in types:
            answer = await platform.done("republish", service, "--type", each, "--json")
            said[each] = answer.json["published"]
    assert said["asset.ingested"] >= 6
    assert said["label.accepted"] >= 4
    assert said["benchmark.set"] >= 1
    await platform.settled()
    after = await hashes(platform)
    assert {name for name, one in after.items() if one != before.get(name)} == set()
    for service in platform.services.values():
        for trouble in ("dead", "parked", "waiting"):
            assert await service.database[trouble].count_documents({}) == 0

    scope = next(iter(platform.services.values())).scope
    snapshots = [
        envelope
        for service in ("ingest", "labeling", "review")
        for envelope in await published(scope, service)  # type: ignore[arg-type]
        if envelope.snapshot
    ]
    settings = settings_of(scope, "training", Settings)
    newcomer = training(settings.model_copy(update={"mongo": scope.mongo("newcomer")}))
    assert newcomer.handlers is not None
    async with open_runtime(newcomer) as runtime:
        processor = Processor(newcomer.handlers, runtime.stores)
        for _ in range(2):
            await replayed(processor, snapshots, Random(3))
        for trouble in ("dead", "parked", "waiting"):
            assert await runtime.database[trouble].count_documents({}) == 0
        known_training = platform.services["training"].database
        for collection in ("labels", "benchmarks", "assets"):
            mine, theirs = [await rows(db, collection) for db in (runtime.database, known_training)]
            assert mine == theirs, collection

    one = await platform.done(
        "republish", "labeling", "--type", "team.configured", "--key", f"team:{name}", "--json"
    )
    assert one.json["published"] == 1
    for service, each, words in (
        ("labeling", "task.opened", "tells of a moment"),
        ("review", "asset.ingested", "published by ingest"),
        ("review", "nothing.at.all", "can say again: label.accepted"),
    ):
        refused = await platform.command("republish", service, "--type", each)
        assert refused.code == 1
        assert words in refused.err


async def rows(database: Any, collection: str) -> list[dict[str, Any]]:
    found = await database[collection].find({}, {"corrections": 0}, sort=[("_id", 1)]).to_list()
    return list(found)
