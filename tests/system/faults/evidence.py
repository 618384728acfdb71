"""What the platform knows after the faults, gathered from its databases and topics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from pymongo import AsyncMongoClient

from tests.system.faults.clients import digest
from tests.system.faults.inflight import SERVICES
from wakeline_events.registry import PRODUCERS
from wakeline_messaging import Envelope
from wakeline_messaging.envelope import from_record

Mongo = AsyncMongoClient[dict[str, Any]]
PARTITIONS = 6


@dataclass(frozen=True)
class Told:
    """One event as it lies on its topic, without what is in it."""

    topic: str
    key: str
    sequence: int
    type: str
    id: str
    about: str
    """The label, task or asset that it is about."""


@dataclass
class Evidence:
    """Everything that the verdict looks at; plain data, so that a test can tamper with it."""

    ledger: list[dict[str, Any]]
    assets: dict[str, str] = field(default_factory=dict)
    """Asset -> state, of ingest."""
    labels: list[dict[str, Any]] = field(default_factory=list)
    """Rows of labeling: label, lease, person, state, shapes."""
    reviews: dict[str, str] = field(default_factory=dict)
    """Label -> verdict, of review."""
    tasks: list[str] = field(default_factory=list)
    """Assets of the stage's tasks, of labeling."""
    left: dict[str, dict[str, int]] = field(default_factory=dict)
    """Service -> rows left in outbox, dead, parked, waiting, and jobs given up."""
    streams: dict[str, int] = field(default_factory=dict)
    """Topic and key -> the last sequence that its producer gave away."""
    marks: dict[str, dict[str, int]] = field(default_factory=dict)
    """Consumer -> topic and key -> its mark."""
    reads: dict[str, list[str]] = field(default_factory=dict)
    """Consumer -> the topics that it reads."""
    events: list[Told] = field(default_factory=list)
    history: list[Told] = field(default_factory=list)
    """Every event that the lineage service has kept, by its own API: the second witness."""
    gaps: list[dict[str, Any]] = field(default_factory=list)
    """Streams of which that service says itself that something is missing."""
    hashes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What was compared -> the state before and after a replay."""


async def gather(ledger: Iterable[dict[str, Any]], mongo: Mongo, bootstrap: str) -> Evidence:
    """Read it all; nothing is moving any more."""
    found = Evidence(list(ledger))
    rows = mongo["wakeline_ingest"]["assets"].find({}, {"state": 1})
    found.assets = {row["_id"]: row["state"] async for row in rows}
    labeling = mongo["wakeline_labeling"]
    found.labels = [
        {
            "label_id": row["_id"],
            "lease_id": row["lease_id"],
            "task_id": row["task_id"],
            "state": row["state"],
            "shapes": digest(row["annotations"]["items"]),
        }
        async for row in labeling["labels"].find({})
    ]
    found.tasks = [
        row["asset"]["asset_id"] async for row in labeling["tasks"].find({}, {"asset": 1})
    ]
    reviews = mongo["wakeline_review"]["reviews"].find({"verdict": {"$ne": None}}, {"verdict": 1})
    found.reviews = {row["_id"]: row["verdict"] async for row in reviews}
    for service in SERVICES:
        database = mongo[f"wakeline_{service}"]
        found.left[service] = {
            name: await database[name].count_documents({})
            for name in ("outbox", "dead", "parked", "waiting")
        } | {"jobs given up": await database["jobs"].count_documents({"state": "failed"})}
        topic = f"wakeline.{service}"
        async for row in database["streams"].find({}):
            found.streams[f"{topic}|{row['_id']}"] = row["sequence"]
        found.marks[service] = {
            row["_id"]: row["sequence"] async for row in database["marks"].find({})
        }
        if service in PRODUCERS:
            async for envelope in envelopes(bootstrap, topic):
                found.events.append(told(envelope))
    return found


async def testify(found: Evidence, url: str, token: str) -> None:
    """Ask the lineage service for everything that it has ever seen."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        cursor: dict[str, str] = {}
        while True:
            answer = await client.get("/v1/history", params={"limit": "1000", **cursor})
            page = answer.raise_for_status().json()
            for event in page["items"]:
                topic = f"wakeline.{event['service']}"
                found.history.append(
                    Told(
                        topic,
                        event["key"],
                        event["sequence"],
                        event["type"],
                        event["id"],
                        _about(event["data"]),
                    )
                )
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        gaps = await client.get("/v1/history/gaps")
        found.gaps = gaps.raise_for_status().json()["gaps"]


def told(envelope: Envelope) -> Told:
    """An event without what is in it."""
    about = _about(json.loads(envelope.data))
    return Told(envelope.topic, envelope.key, envelope.sequence, envelope.type, envelope.id, about)


def _about(data: dict[str, Any]) -> str:
    return str(data.get("label_id") or data.get("task_id") or data.get("asset_id") or "")


async def envelopes(bootstrap: str, topic: str) -> AsyncIterator[Envelope]:
    """Everything on a topic, partition by partition."""
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await client.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        client.assign(partitions)
        await client.seek_to_beginning(*partitions)
        ends = await client.end_offsets(partitions)
        while any([await client.position(tp) < end for tp, end in ends.items()]):
            for records in (await client.getmany(timeout_ms=500)).values():
                for record in records:
                    yield from_record(record.topic, record.key, record.value, list(record.headers))
    finally:
        await client.stop()
