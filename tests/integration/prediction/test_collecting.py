"""Uploads that were replaced and blobs that nothing names are deleted; what was answered stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wakeline_blobs import store_json
from wakeline_messaging import Processor
from wakeline_prediction.archive import BlobArchive
from wakeline_prediction.domain.records import Parcel
from wakeline_prediction.handlers import handlers
from wakeline_prediction.migrations import MIGRATIONS
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_prediction.usecases import collecting, uploading
from wakeline_process.runtime import Runtime
from wakeline_testing import Scope
from wakeline_testing.running import Publisher

from .kit import STAGE, closed, configured, ingest, opened
from .test_urgency import Workers, answers_of, runtime_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
Body = Callable[[MongoPredictionUnitOfWork], Awaitable[None]]
BIG = 700
"""Shapes that are too large for a document."""


class Direct:
    """The steps of a job that nobody else can take over."""

    def __init__(self, runtime: Runtime, meanwhile: Callable[[], Awaitable[None]] | None = None):
        self._runtime = runtime
        self._meanwhile = meanwhile

    def read(self) -> Any:
        return self._runtime.stores.open(None)

    async def transaction(self, body: Body) -> None:
        async def run(session: Any) -> None:
            uow: Any = self._runtime.stores.open(session)
            await body(uow)
            if self._meanwhile is not None:
                meanwhile, self._meanwhile = self._meanwhile, None
                await meanwhile()
            await uow.write()

        await self._runtime.stores.transactions.run(run)

    finish = transaction


async def upload(runtime: Runtime, asset_id: str, version: str, count: int = BIG) -> Parcel:
    ring = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0]
    geometry = {"kind": "polygon", "parts": [ring]}
    shape = {"class_name": "spot", "geometry": geometry, "score": 0.7}
    shapes = [{**shape, "id": f"{version}-{n}"} for n in range(count)]
    reader: Any = runtime.stores.open(None)
    (parcel,) = await uploading.judge(
        runtime.resources.world.archive,
        await reader.stages.get(STAGE),
        [{"asset_id": asset_id, "shapes": shapes}],
        {},
        predictor="external",
        version=version,
    )
    assert isinstance(parcel, Parcel), parcel
    await Direct(runtime).transaction(lambda uow: uploading.store(uow, [parcel]))
    return parcel


async def kept(runtime: Runtime) -> tuple[set[str], set[str]]:
    """Ids of the uploads, and keys of the blobs, that are there."""
    rows = await runtime.database["uploads"].find({}, {"_id": 1}).to_list()
    blobs = runtime.resources.blobs.list("predictions")
    return {row["_id"] for row in rows}, {info.key async for info in blobs}


def key_of(parcel: Parcel) -> str:
    return str(parcel.shapes["blob"]["key"])


async def test_what_nothing_refers_to_is_collected_after_its_time_and_answers_stay(
    stocked: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(stocked)
    told, untold = [opened(await ingest(stocked, name)) for name in ("a", "b")]
    async with runtime_of(stocked) as runtime:
        processor, workers = Processor(handlers, runtime.stores), Workers(runtime)
        events = [configured({"name": "external"}, kinds=("polygon",)), told]
        await processor.process([publisher.envelope(event) for event in events])
        answered = await upload(runtime, told.asset_id, "1")
        await workers.all()
        unseen = [await upload(runtime, untold.asset_id, version) for version in ("2", "3")]
        await upload(runtime, told.asset_id, "4", count=1)
        await workers.all()
        orphan = await store_json(runtime.resources.blobs, "predictions", "no record names this")
        before = await kept(runtime)

        assert await collecting.collect(Direct(runtime), runtime.resources.world.archive) == (0, 0)
        assert await kept(runtime) == before, "all of it is younger than a day"

        monkeypatch.setattr(collecting, "GRACE", timedelta(minutes=-1))
        dying = Dying(runtime.resources.blobs)
        with pytest.raises(Killed):
            await collecting.collect(Direct(runtime), dying)
        await runtime.database["jobs"].update_one(
            {"_id": "collect:collect"}, {"$set": {"not_before": datetime.now(UTC)}}
        )
        assert await workers.step("collect") == ["collect"]
        uploads, blobs = await kept(runtime)
        assert before[0] - uploads == {answered.upload.id, unseen[0].upload.id}
        assert before[1] - blobs == {orphan.key, key_of(unseen[0])}
        assert key_of(answered) in blobs, "it is what was predicted"
        reader: Any = runtime.stores.open(None)
        page = await reader.predictions.page(
            task_id=told.task_id, asset_id=None, after=None, limit=9
        )
        shapes = [await runtime.resources.world.archive.unpack(p.shapes, wait=False) for p in page]
        assert [len(each) for each in shapes] == [1, BIG]
        (job,) = await runtime.database["jobs"].find({"kind": "collect"}).to_list()
        assert job["not_before"] > datetime.now(UTC) + collecting.EVERY / 2

        await processor.process([publisher.envelope(closed(told))])
        assert await collecting.collect(Direct(runtime), runtime.resources.world.archive) == (0, 0)
        await processor.process([publisher.envelope(untold)])
        await workers.all()
        assert [predictor for _, predictor, _ in (await answers_of(runtime)).values()] == [
            "external"
        ]


class Killed(BaseException):
    """As if the process had ended here."""


class Dying(BlobArchive):
    """Deletes one blob, and ends before it is said."""

    async def drop(self, key: str, *, before: datetime) -> bool:
        await super().drop(key, before=before)
        raise Killed


@pytest.fixture
async def due(stocked: Scope, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    """A stage that takes uploads, where everything is old enough to be collected."""
    monkeypatch.setattr(collecting, "GRACE", timedelta(minutes=-1))
    async with runtime_of(stocked) as runtime:
        event = configured({"name": "external"}, kinds=("polygon",))
        processor = Processor(handlers, runtime.stores)
        await processor.process([Publisher(stocked).envelope(event)])
        yield runtime


async def test_an_upload_that_is_sent_again_is_not_collected_not_even_at_that_moment(
    due: Runtime,
) -> None:
    first, _ = [await upload(due, "pictures:a", version, 1) for version in ("1", "2")]

    async def again() -> None:
        await upload(due, "pictures:a", "1", 1)

    assert await collecting.collect(Direct(due, again), due.resources.world.archive) == (1, 0)
    assert await kept(due) == ({first.upload.id}, set())


async def test_the_migration_notes_what_earlier_releases_have_replaced(
    due: Runtime,
) -> None:
    stands = [await upload(due, f"pictures:{name}", "1", 1) for name in "ab"]
    replaced = await upload(due, "pictures:c", "1", 1)
    stands.append(await upload(due, "pictures:c", "2", 1))
    unset = {"$unset": {"replaced_at": ""}}
    await due.database["uploads"].update_many({}, unset)
    (migration,) = [each for each in MIGRATIONS if each.version == 3]
    await migration.apply(due.database)
    assert await collecting.collect(Direct(due), due.resources.world.archive) == (1, 0)
    uploads, _ = await kept(due)
    assert uploads == {each.upload.id for each in stands}
    assert replaced.upload.id not in uploads
