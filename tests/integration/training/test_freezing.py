"""Dataset versions on a real database: who is set aside stays aside, whatever comes when."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from wakeline_events.base import Event
from wakeline_events.ingest import AssetRestored, AssetWithdrawn
from wakeline_events.labeling import Arm
from wakeline_events.review import LabelAccepted
from wakeline_messaging import Processor
from wakeline_process.runtime import Runtime
from wakeline_testing import Scope
from wakeline_testing.interleaving import interleaved, replayed, state_hash
from wakeline_testing.running import Publisher, RunningService, running
from wakeline_training.archive import BlobArchive
from wakeline_training.domain import manifest
from wakeline_training.domain.manifest import Entry, Labeled
from wakeline_training.domain.splits import Group, Side
from wakeline_training.handlers import handlers
from wakeline_training.jobs import jobs
from wakeline_training.store.splits import SplitStore
from wakeline_training.usecases import freezing

from . import scenario
from .scenario import (
    accepted,
    asset,
    benchmark,
    configured,
    due,
    get,
    idle,
    ingested,
    labels,
    predicted,
    superseded,
    take_in,
    trained,
    training,
    truth,
    until,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def split_of(service: RunningService, run: dict[str, Any]) -> dict[str, set[str]]:
    """Asset ids by split."""
    assert run["state"] == "completed", run["failure"]
    lines = await scenario.manifest(service, run["dataset_version"])
    return {
        split: {line["asset_id"] for line in lines if line["split"] == split}
        for split in ("train", "holdout")
    }


def ids(*numbers: int) -> set[str]:
    return {asset(number).asset_id for number in numbers}


async def test_what_arrives_later_can_only_take_assets_out_of_training(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(), *labels(20, holdout=8))
        await service.settled()
        first = await split_of(service, await trained(service))
        held = next(n for n in range(8) if ids(n) <= first["holdout"])
        assert ids(18, 19) <= first["train"]
        # A benchmark in a group of its own, and one asset known to be a crop of a hold-out asset.
        crop = asset(19).model_copy(update={"neighbours": (asset(held).asset_id,)})
        await publisher.publish(benchmark(18), benchmark(30))
        await publisher.publish(ingested(crop), ingested(asset(held)))
        await service.settled()
        run = await trained(service)
        second = await split_of(service, run)
        assert not second["train"] & ids(18, 19)
        assert second["holdout"] == first["holdout"] | ids(30)
        version = await get(service, f"/v1/dataset-versions/{run['dataset_version']}")
        assert version["left_out"] == {"related-to-holdout": 1, "seen-benchmark": 1}
        # The first version is what it was.
        versions = await get(service, "/v1/dataset-versions")
        before = await scenario.manifest(service, versions["items"][-1]["dataset_version"])
        assert ids(18) <= {line["asset_id"] for line in before if line["split"] == "train"}


async def test_a_parent_without_a_label_ties_its_crop_to_its_own_group(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(holdout_share=0.999), *labels(12, holdout=6))
        # Nobody labeled the parent; its group is hold-out because of another asset.
        parent = asset(100, group="g0")
        await publisher.publish(ingested(parent), ingested(asset(11), parent=parent.asset_id))
        await service.settled()
        split = await split_of(service, await trained(service))
        assert split == {"holdout": ids(*range(6)), "train": ids(*range(6, 11))}


async def test_splits_are_shared_by_all_stages_of_the_dataset(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        stages = ("outline", "count")
        await publisher.publish(configured(stages=stages), *labels(20, holdout=8))
        await publisher.publish(
            *(accepted(n, stage="count", arm="assisted") for n in range(20)),
            accepted(40, stage="count", arm="control"),
        )
        await service.settled()
        outline = await split_of(service, await trained(service))
        async with service.client("engineer") as client:
            body = {"project": "weeds", "stage": "count"}
            run_id = (await client.post("/v1/runs", json=body)).json()["run_id"]
        await service.settled()
        count = await split_of(service, await get(service, f"/v1/runs/{run_id}"))
        # Assisted labels of hold-out groups are no truth, but they don't train either.
        assert not count["train"] & outline["holdout"]
        assert not count["holdout"] & outline["holdout"]


async def test_a_correction_changes_later_versions_only(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(), *labels(12, holdout=6))
        await service.settled()
        first = (await trained(service))["dataset_version"]
        await publisher.publish(superseded(11, truth(11)[:1]))
        await service.settled()
        second = (await trained(service))["dataset_version"]
        shapes = {
            version: next(
                len(line["annotations"])
                for line in await scenario.manifest(service, version)
                if line["asset_id"] == asset(11).asset_id
            )
            for version in (first, second)
        }
        assert shapes == {first: 4, second: 1}


async def test_images_that_are_withdrawn_are_left_out_until_they_are_back(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(), *labels(12, holdout=6), benchmark(20))
        gone = [asset(number).asset_id for number in (0, 11, 20, 30)]  # 30 has no label
        await publisher.publish(*(AssetWithdrawn(asset_id=each) for each in gone))
        await service.settled()
        run = await trained(service)
        split = await split_of(service, run)
        assert split == {"holdout": ids(*range(1, 6)), "train": ids(*range(6, 11))}
        version = await get(service, f"/v1/dataset-versions/{run['dataset_version']}")
        assert version["left_out"] == {"image-withdrawn": 3}
        await publisher.publish(*(AssetRestored(asset_id=each) for each in gone))
        await service.settled()
        split = await split_of(service, await trained(service))
        assert split["holdout"] >= ids(*range(1, 6), 20)
        assert split["train"] >= ids(*range(6, 12))


@pytest.mark.parametrize(
    ("event", "kept_in", "held"),
    [
        (benchmark(11), "benchmarks", True),
        (AssetWithdrawn(asset_id=asset(11).asset_id), "withdrawals", False),
    ],
    ids=["benchmark", "withdrawal"],
)
async def test_what_comes_during_a_freeze_is_not_missed(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, event: Event, kept_in: str, held: bool
) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(), *labels(12, holdout=6))
        await service.settled()
        save = BlobArchive.save_manifest
        interrupted: list[str] = []

        async def interrupt(self: BlobArchive, key: str, manifest: Path) -> None:
            await save(self, key, manifest)
            if not interrupted:
                interrupted.append(key)
                await publisher.publish(event)
                rows = service.database[kept_in]
                while await rows.count_documents({}) == 0:
                    await asyncio.sleep(0.02)

        monkeypatch.setattr(BlobArchive, "save_manifest", interrupt)
        run = await trained(service)
        split = await split_of(service, run)
        assert interrupted
        assert interrupted != [f"{run['dataset_version']}/manifest.jsonl"]
        assert (ids(11) <= split["holdout"]) == held
        assert not ids(11) & split["train"]


async def test_a_freeze_that_is_overtaken_without_end_waits_and_fails_nothing(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "TRIES", 1)
    monkeypatch.setattr(freezing, "LATER", timedelta(hours=1))
    publisher = Publisher(scope)
    stages = ("outline", "count")
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(stages=stages), *labels(12, holdout=6))
        await publisher.publish(*(accepted(n, stage="count", arm="assisted") for n in range(12)))
        await publisher.publish(accepted(40, stage="count", arm="control"))
        await service.settled()
        save, owners = BlobArchive.save_manifest, service.database["datasets"]
        rounds, overtaken = 7, 0  # more than the attempts of a job that fails

        async def overtake(self: BlobArchive, key: str, manifest: Path) -> None:
            nonlocal overtaken
            await save(self, key, manifest)
            if overtaken == rounds:
                return
            before = (await owners.find_one({"_id": "fields"}) or {}).get("revision", 0)
            tile = asset(100 + overtaken, neighbours=[200])
            await publisher.publish(ingested(tile))
            while not await owners.find_one({"_id": "fields", "revision": {"$gt": before}}):
                await asyncio.sleep(0.02)
            overtaken += 1

        monkeypatch.setattr(BlobArchive, "save_manifest", overtake)
        run_id = await scenario.start(service)
        jobs = service.database["jobs"]
        for turn in range(1, rounds + 1):
            waits = {"kind": "freeze", "state": "queued", "not_before": {"$gt": datetime.now(UTC)}}
            async with asyncio.timeout(60):
                while overtaken < turn or (row := await jobs.find_one(waits)) is None:
                    await asyncio.sleep(0.02)
            assert (row["attempt"], "error" in row) == (0, False)
            run = await get(service, f"/v1/runs/{run_id}")
            assert (run["state"], run["waiting_for"]) == ("freezing", freezing.OVERTAKEN)
            if turn == rounds:  # nobody has to wait for it
                async with service.client("engineer") as client:
                    body = {"project": "weeds", "stage": "count"}
                    other = (await client.post("/v1/runs", json=body)).json()["run_id"]
                assert (await until(service, other, "completed"))["dataset_version"]
            await jobs.update_one({"_id": row["_id"]}, [{"$set": {"not_before": "$$NOW"}}])
        run = await until(service, run_id, "completed")
        assert (run["waiting_for"], run["failure"]) == (None, None)


async def test_a_version_is_the_same_whatever_is_in_memory_together(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(), *labels(12, holdout=6), benchmark(20))
        await publisher.publish(superseded(11, ()), superseded(10, truth(10)[:1]))
        await service.settled()
        first = await trained(service)
        render = manifest.render
        sizes: list[list[int]] = []

        def counted(chosen: list[Entry[Labeled]], bucket: str) -> bytes:
            sizes.append([len(entry.labeled.annotations) for entry in chosen])
            return render(chosen, bucket)

        monkeypatch.setattr(manifest, "render", counted)
        monkeypatch.setattr(freezing, "PAGE", 5)
        monkeypatch.setattr(freezing, "SHAPES", 5)
        second = await trained(service)
        assert second["dataset_version"] == first["dataset_version"]
        assert max(sum(part) for part in sizes) <= 5
        assert sum(len(part) for part in sizes) == 13
        assert len(sizes) < 13, "what fits goes together"


async def of_two_projects(runtime: Runtime, publisher: Publisher) -> None:
    """Image 7 is in the datasets of two projects, whose first freezes are due.

    In the fields it would train; in the meadows its label is unassisted, so it would be hold-out.
    """

    def others(number: int, arm: Arm) -> LabelAccepted:
        image = asset(number, dataset="meadows")
        return accepted(number, arm=arm, project="thistles", of=image)

    await take_in(
        runtime,
        publisher,
        ingested(asset(7)),
        ingested(asset(7, dataset="meadows")),
        configured(trigger=8),
        configured(project="thistles", dataset="meadows", trigger=5),
        *labels(8, holdout=6),
        *(others(number, "holdout" if number == 7 else "assisted") for number in range(7, 12)),
    )


async def sides_of_image_7(runtime: Runtime) -> dict[str, str]:
    uow: Any = runtime.stores.open(None)
    decided = await uow.splits.decided(["fields", "meadows"])
    return {group.dataset_id: side for group, side in decided.items() if group.name == "g7"}


async def test_freezes_of_two_datasets_with_an_image_in_common_do_not_pass_by_one_another(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, barrier = freezing._store, asyncio.Barrier(2)
    stored: list[str] = []

    async def together(uow: Any, snapshot: freezing.Snapshot, *args: Any) -> None:
        stored.append(snapshot.run.project_id)
        await store(uow, snapshot, *args)
        if len(stored) <= 2:  # both have read all, and written nothing yet
            await barrier.wait()

    monkeypatch.setattr(freezing, "_store", together)
    async with idle(scope) as runtime:
        await of_two_projects(runtime, Publisher(scope))
        freeze = jobs.kinds["freeze"].run
        leases = [await due(runtime, "freeze") for _ in range(2)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(freeze(lease) for lease in leases))
        assert await sides_of_image_7(runtime) in (
            {"fields": "trained", "meadows": "trained"},  # the fields were first
            {"meadows": "holdout"},
        )
        assert len(stored) > 2, "who was second has decided again"


async def test_a_freeze_of_others_while_one_reads_is_not_missed(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided, freeze = SplitStore.decided, jobs.kinds["freeze"].run
    async with idle(scope) as runtime:
        await of_two_projects(runtime, Publisher(scope))
        slow, quick = [await due(runtime, "freeze") for _ in range(2)]
        reads = 0

        async def overtaken(self: SplitStore, datasets: Sequence[str]) -> dict[Group, Side]:
            nonlocal reads
            reads += 1
            found = await decided(self, datasets)
            if reads == 1:
                await freeze(quick)
            return found

        monkeypatch.setattr(SplitStore, "decided", overtaken)
        await freeze(slow)
        assert reads == 3, "it has decided again"
        first = await runtime.database["runs"].find_one({"_id": quick.job.id})
        sides = {"fields": "trained", "meadows": "trained"}
        wanted = sides if first["project_id"] == "weeds" else {"meadows": "holdout"}
        assert await sides_of_image_7(runtime) == wanted


async def test_what_was_decided_is_read_back_as_it_was_however_many_groups_are_in_a_row(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_training.store.splits.GROUPS_A_ROW", 2)
    sides = {Group("fields", f"g{n}"): Side.TRAINED if n % 4 else Side.HOLDOUT for n in range(12)}
    earlier = Group("fields", "a")
    async with idle(scope) as runtime:
        rows = runtime.database["splits"]
        await rows.insert_one({"_id": {"dataset": "fields", "group": "a"}, "side": "trained"})
        uow: Any = runtime.stores.open(None)
        uow.splits.decide(sides | {Group("meadows", "g0"): Side.HOLDOUT}, "r1", "v1")
        await uow.write()
        assert await uow.splits.decided(["fields"]) == {**sides, earlier: Side.TRAINED}
        assert await rows.count_documents({}) == 1 + 2 + 5 + 1


async def test_what_comes_to_a_dataset_of_others_overtakes_no_freeze(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, save = Publisher(scope), BlobArchive.save_manifest
    saved: list[str] = []
    async with idle(scope) as runtime:

        async def interrupt(self: BlobArchive, key: str, manifest: Path) -> None:
            await save(self, key, manifest)
            saved.append(key)
            await take_in(runtime, publisher, ingested(tile))

        await of_two_projects(runtime, publisher)
        tile = asset(100, neighbours=[200], dataset="meadows")
        monkeypatch.setattr(BlobArchive, "save_manifest", interrupt)
        ours = {"project_id": "weeds"}
        run = await runtime.database["runs"].find_one(ours)
        leases = [await due(runtime, "freeze") for _ in range(2)]
        (lease,) = (lease for lease in leases if lease.job.id == run["_id"])
        await jobs.kinds["freeze"].run(lease)
        run = await runtime.database["runs"].find_one(ours)
        assert (run["state"], len(saved)) == ("training", 1)


async def test_any_interleaving_of_topics_gives_one_state(scope: Scope) -> None:
    """What one topic brings another may name too early; redelivered events change nothing."""
    publisher = Publisher(scope)
    crop = asset(3, neighbours=[0])
    events = [
        configured(1, trigger=5),
        configured(2, trigger=4),
        *(accepted(n, arm="control" if n % 2 else "assisted") for n in range(3)),
        accepted(0, arm="assisted", round=2),
        superseded(1, truth(1)[:2]),
        superseded(1, truth(1)[:3]),
        ingested(crop),
        ingested(asset(0)),
        AssetWithdrawn(asset_id=asset(0).asset_id),
        AssetRestored(asset_id=asset(0).asset_id),
        AssetWithdrawn(asset_id=asset(1).asset_id),
        benchmark(2),
        predicted(0),
        scenario.failed(1),
        predicted(1, epoch=1),
        predicted(1, epoch=0),
    ]
    envelopes = [publisher.envelope(event) for event in events]
    hashes = set()
    async with idle(scope) as runtime:
        for seed in range(60):
            for name in await runtime.database.list_collection_names():
                await runtime.database[name].delete_many({})
            random = Random(seed)
            processor = Processor(handlers, runtime.stores)
            await replayed(processor, interleaved(envelopes, random), random)
            assert await runtime.database["waiting"].count_documents({}) == 0
            assert await runtime.database["parked"].count_documents({}) == 0
            assert await runtime.database["runs"].count_documents({}) == 1
            hashes.add(await state_hash(runtime.database))
    assert len(hashes) == 1
