"""A small service whose state tells whether every event had its effect exactly once."""

from contextlib import nullcontext
from typing import Any

from pydantic_settings import SettingsConfigDict

from wakeline_events.base import Asset
from wakeline_events.ingest import AssetIngested
from wakeline_events.prediction import PredictionFailed
from wakeline_events.review import LabelRejected
from wakeline_messaging import Handlers, Jobs, NotYetKnownError, UnitOfWork
from wakeline_messaging.jobs import JobLease
from wakeline_process import Service, ServiceSettings


class ToySettings(ServiceSettings):
    model_config = SettingsConfigDict(
        env_prefix="WAKELINE_TOY_", env_nested_delimiter="__", extra="forbid", frozen=True
    )


class ToyUnitOfWork(UnitOfWork[None]):
    pass


handlers = Handlers()
jobs = Jobs()
POISON = "poison"
UNSTORABLE = "unstorable"


@handlers.on(AssetIngested)
async def on_asset_ingested(event: AssetIngested, uow: ToyUnitOfWork) -> None:
    uow.collection("assets").update({"_id": event.asset_id}, {"$inc": {"ingested": 1}}, upsert=True)
    uow.known(f"asset:{event.asset_id}")
    uow.enqueue("count", event.asset_id, {"asset": event.asset_id})


@handlers.on(LabelRejected)
async def on_label_rejected(event: LabelRejected, uow: ToyUnitOfWork) -> None:
    """Needs the asset, and answers with an event of its own."""
    asset = await uow.collection("assets").find_one({"_id": event.asset_id})
    if asset is None:
        raise NotYetKnownError(f"asset:{event.asset_id}")
    if event.label_id == POISON:
        raise ValueError("this event cannot be understood")
    if event.label_id == UNSTORABLE:
        uow.collection("assets").insert({"_id": event.asset_id})
    uow.collection("assets").update({"_id": event.asset_id}, {"$inc": {"rejected": event.round}})
    uow.emit(failed(event.asset_id, event.label_id))


@jobs.on("count")
async def count(lease: JobLease[ToyUnitOfWork, None]) -> None:
    async def body(uow: ToyUnitOfWork) -> None:
        uow.collection("counted").update(
            {"_id": lease.job.payload["asset"]}, {"$inc": {"n": 1}}, upsert=True
        )

    await lease.finish(body)


def ingested(asset_id: str) -> AssetIngested:
    asset = Asset(
        asset_id=asset_id,
        dataset_id="toys",
        digest="00",
        width=4,
        height=4,
        group=asset_id,
        image="toys/00",
    )
    return AssetIngested(asset_id=asset_id, asset=asset, bytes=10)


def rejected(asset_id: str, label_id: str, weight: int = 1) -> LabelRejected:
    return LabelRejected(
        asset_id=asset_id,
        label_id=label_id,
        stage_id="toys/play",
        task_id="t",
        slot=0,
        round=weight,
        reviewer_id="p1",
    )


def failed(asset_id: str, reason: str) -> PredictionFailed:
    return PredictionFailed(
        asset_id=asset_id,
        stage_id="toys/play",
        task_id="t",
        predictor="own",
        serving_epoch=0,
        code="toy",
        reason=reason,
    )


def toy(settings: ToySettings, **changes: Any) -> Service[ToyUnitOfWork, None]:
    return Service(
        **{
            "name": "prediction",
            "settings": settings,
            "unit_of_work": ToyUnitOfWork,
            "resources": lambda: nullcontext(None),
            "migrations": (),
            "handlers": handlers,
            "jobs": jobs,
            **changes,
        }
    )
