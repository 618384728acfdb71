"""Keeping every event as history, and what it adds to the graph."""

from typing import Any

import orjson

from wakeline_events.training import DatasetFrozen
from wakeline_lineage.domain import mapping
from wakeline_lineage.domain.nodes import Story
from wakeline_lineage.domain.records import KeptEvent
from wakeline_lineage.ports import LineageUnitOfWork, Manifests
from wakeline_messaging import Envelope, JobLease

MEMBERS = "members"
"""The job that reads which labels a dataset version holds."""
CHUNK = 1_000
"""Lines of a manifest that are stored at once."""


async def record(uow: LineageUnitOfWork, envelope: Envelope) -> None:
    """Keep an event as it was published; one of an unknown type too.

    Raises
    ------
    UnknownMajorError
        If it is a newer major version of a known type: a newer release goes on from here.
    ValueError
        If its data does not fit its schema.
    """
    story = _story(uow, envelope)
    event = KeptEvent(
        service=envelope.topic.rsplit(".", 1)[-1],
        type=envelope.type,
        key=envelope.key,
        sequence=envelope.sequence,
        id=envelope.id,
        time=envelope.time,
        dataschema=envelope.dataschema,
        correlation=envelope.correlation,
        data=envelope.data,
        nodes=tuple(story.names()),
        snapshot=envelope.snapshot,
    )
    uow.history.add(event)
    uow.graph.add(story, event.row_id)


def _story(uow: LineageUnitOfWork, envelope: Envelope) -> Story:
    if envelope.type not in mapping.TELLS:
        data: Any = orjson.loads(envelope.data)
        return mapping.story_of_unknown(data if isinstance(data, dict) else {})
    event = envelope.event()
    if isinstance(event, DatasetFrozen):
        uow.enqueue(
            MEMBERS,
            event.dataset_version,
            {"manifest_key": event.manifest_key, "stage_id": event.stage_id},
        )
    story = mapping.story_of(event, envelope.sequence)
    story.snapshot = envelope.snapshot
    return story


async def add_members(lease: "JobLease[Any, Any]", manifests: Manifests) -> None:
    """Read which accepted labels and benchmarks a dataset version holds.

    Stored a chunk at a time and as a set, so an attempt that was cut off is simply made again.
    """
    version, payload = lease.job.id, lease.job.payload
    name = f"dataset-version:{version}"
    chunk: list[str] = []
    count = 0

    async def store(uow: LineageUnitOfWork) -> None:
        uow.graph.add_members(name, chunk)

    async def end(uow: LineageUnitOfWork) -> None:
        await store(uow)
        uow.graph.set_facts(name, {"members": count})

    async for line in manifests.lines(payload["manifest_key"]):
        chunk.append(_member(orjson.loads(line), payload["stage_id"]))
        count += 1
        if len(chunk) >= CHUNK:
            await lease.transaction(store)
            chunk = []
    await lease.finish(end)


def _member(row: dict[str, Any], stage_id: str) -> str:
    """A line without a label holds trusted truth that was imported."""
    if row["label_id"] is None:
        return mapping.benchmark_of(stage_id, row["asset_id"]).name
    return mapping.accepted_label(row["label_id"]).name
