"""Freezing a dataset version: its time, and the memory that it takes as there are more labels.

``LABELS`` (default 10,000) accepted labels of five boxes each, and then ``MANY`` (default 200,000)
of another project, are frozen by the training service's runner, each time in a process of its
own. Memory is the peak of that process until the version is there; what it trains with is a child
that ends at once.
"""

import asyncio
import os
import time
from typing import Any

from benchmarks import events, processes
from benchmarks.servers import migrated, process_of, servers
from wakeline_embedded.ports import free_port
from wakeline_events.configuration import ProjectDocument
from wakeline_events.labeling import ProjectConfigured
from wakeline_events.review import LabelAccepted
from wakeline_events.shapes import AnnotationSet
from wakeline_messaging import Processor
from wakeline_process.processes import Kind
from wakeline_process.runtime import Runtime
from wakeline_process.service import HttpSettings
from wakeline_testing.running import Publisher, settings_of
from wakeline_training.domain.splits import AssetFacts, Group
from wakeline_training.handlers import handlers
from wakeline_training.settings import Settings, TrainerSettings
from wakeline_training.usecases import asking
from wakeline_training.wiring import service

LABELS = int(os.environ.get("LABELS", "10000"))
MANY = int(os.environ.get("MANY", "200000"))
PAGE = 1_000
GOALS = {"memory_growth": ("<=", 1.2)}


async def measure() -> dict[str, Any]:
    """Freeze the short version, then the long one."""
    async with servers() as scope:
        settings = settings_of(
            scope,
            "training",
            Settings,
            http=HttpSettings(port=free_port()),
            trainer=TrainerSettings(command=("false",)),
        )
        async with migrated(service(settings)) as runtime:
            publisher = Publisher(scope)
            few = await _freeze(runtime, publisher, "few", LABELS)
            many = await _freeze(runtime, publisher, "many", MANY)
    return {
        "memory_growth": round(many["mb"] / few["mb"], 3),
        "labels": LABELS,
        "seconds": few["seconds"],
        "mb": few["mb"],
        "many_labels": MANY,
        "many_seconds": many["seconds"],
        "many_mb": many["mb"],
    }


async def _freeze(
    runtime: Runtime, publisher: Publisher, project: str, labels: int
) -> dict[str, float]:
    """Let a runner freeze all labels of a project; seconds, and its peak in MB."""
    await Processor(handlers, runtime.stores).process([publisher.envelope(_configured(project))])
    await _accepted(runtime, project, labels)

    async def ask(session: Any) -> str:
        uow: Any = runtime.stores.open(session)
        run = await asking.start(uow, f"{project}/find", "p-bench", {})
        await uow.write()
        return run.run_id

    versions = runtime.database["dataset_versions"]
    async with process_of(runtime.service, Kind.RUN) as runner:
        began = time.perf_counter()
        run_id = await runtime.stores.transactions.run(ask)
        while await versions.find_one({"project_id": project}) is None:
            run = await runtime.database["runs"].find_one({"_id": run_id})
            assert run is not None
            if run["state"] == "failed":
                raise RuntimeError(f"the freeze failed: {run['failure']}")
            await asyncio.sleep(0.1)
        took = time.perf_counter() - began
        return {"seconds": round(took, 2), "mb": round(processes.peak_mb(runner), 1)}


def _configured(project: str) -> ProjectConfigured:
    document = ProjectDocument.model_validate(
        {
            "project": project,
            "datasets": [project],
            "ontology": {"classes": [{"name": "ship", "kinds": ["box"]}]},
            "stages": [
                {
                    "name": "find",
                    "team": "bench",
                    "predictors": [{"name": "own"}],
                    "training": {"trainer": "boxes"},
                }
            ],
        }
    )
    return ProjectConfigured(project_id=project, version=1, document=document)


async def _accepted(runtime: Runtime, project: str, labels: int) -> None:
    """Put labels where the consumer puts them."""
    for start in range(0, labels, PAGE):
        uow: Any = runtime.stores.open(None)
        for number in range(start, min(start + PAGE, labels)):
            label = _label(project, number)
            asset = label.asset
            group = Group(asset.dataset_id, asset.group)
            uow.assets.put(AssetFacts(asset.asset_id, group, asset.digest))
            uow.labels.accept(label)
        await uow.write()


def _label(project: str, number: int) -> LabelAccepted:
    asset = events.asset(number, project)
    task_id = asset.digest[:24]
    return LabelAccepted(
        asset_id=asset.asset_id,
        label_id=f"{task_id}.0.1",
        merged_from=(f"{task_id}.0.1",),
        project_id=project,
        stage_id=f"{project}/find",
        task_id=task_id,
        slot=0,
        round=1,
        asset=asset,
        arm="control" if number % 5 == 0 else "assisted",
        assisted=number % 5 != 0,
        verdict="unreviewed",
        reviewer_id=None,
        annotations=AnnotationSet(count=events.BOXES, items=events.boxes(number)),
    )
