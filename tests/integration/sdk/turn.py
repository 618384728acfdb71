"""One turn of the loop as people make it, by the SDK: from images to what a model says of them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from wakeline_auth import Role
from wakeline_sdk import AsyncClient, NotFoundError, Upload
from wakeline_sdk.models import HistoryEvent, Run

from . import fields

T = TypeVar("T")
Mint = Callable[[str, Role, str], str]
"""``(person, role, team)`` -> a token."""
IMAGES, LABELED = 16, 12
TRAINING = {"trainer": "boxes", "trigger_labels": 0, "parameters": {"max_seconds": 8, "seed": 1}}


class Turn:
    """A project of its own, with a labeler, a reviewer and an engineer."""

    def __init__(self, url: str, name: str, mint: Mint) -> None:
        self._url = url
        self.name = name
        self._mint = mint

    def client(self, role: str) -> AsyncClient:
        """The client of a person with this role."""
        return AsyncClient(self._url, self._mint(f"p-{role}", Role(role), self.name))

    async def label(self, folder: Path) -> None:
        """Upload images, label most of them, and accept the labels."""
        paths = fields.images(folder, IMAGES, seed=11)
        document = fields.document(
            self.name, predictors=[{"name": "own"}], training=TRAINING, order="fifo"
        )
        async with self.client("admin") as admin:
            await admin.datasets.create(self.name)
            await admin.teams.put(self.name, name=self.name.title())
            await admin.projects.apply(document)
            report = await admin.datasets.upload_all(self.name, [Upload(path) for path in paths])
            assert len(report.stored) == IMAGES, report

            async def opened() -> bool:
                tasks = [task async for task in admin.projects.tasks(self.name, "mark")]
                return len(tasks) == IMAGES

            await until(opened, "a task for each image")
        async with self.client("labeler") as labeler:
            labeled = 0
            while labeled < LABELED:
                try:
                    (task,) = await labeler.leases.take(self.name, "mark", count=1)
                except NotFoundError:  # the next ones still wait for their pre-labels
                    await asyncio.sleep(0.2)
                    continue
                await labeler.leases.submit(task, [fields.weed()])
                labeled += 1
        async with self.client("reviewer") as reviewer:
            accepted = 0
            while accepted < LABELED:
                try:
                    (lease,) = await reviewer.reviews.take(self.name, "mark", count=1)
                except NotFoundError:
                    await asyncio.sleep(0.2)
                    continue
                await reviewer.reviews.judge(lease, "accept")
                accepted += 1

    async def recorded(self, event_type: str, count: int) -> list[HistoryEvent]:
        """Wait until lineage has taken in so many events of a type, and return them."""
        async with self.client("auditor") as auditor:

            async def found() -> list[HistoryEvent] | None:
                events = [e async for e in auditor.lineage.history(types=[event_type])]
                return events if len(events) >= count else None

            return await until(found, f"{count} {event_type} in lineage")

    async def train(self) -> str:
        """Train on what was accepted, and publish the model if the gate did not; its version."""
        async with self.client("engineer") as engineer:
            run = await engineer.runs.start(self.name, "mark")

            async def ended() -> Run | None:
                now = await engineer.runs.get(run.run_id)
                return now if now.state in ("completed", "failed", "cancelled") else None

            done = await until(ended, "the end of the run")
            assert done.model_version is not None, done
            model = await engineer.models.get(done.model_version)
            if not model.serving:
                await engineer.models.publish(done.model_version)
            return done.model_version

    async def predicted_by(self, model_version: str, labeled: set[str]) -> list[HistoryEvent]:
        """Wait until lineage knows what the model says of every image that is not labeled yet.

        What it says of a labeled one is left out: such tasks may not be closed everywhere yet.
        """
        async with self.client("auditor") as auditor:

            async def found() -> list[HistoryEvent] | None:
                events = auditor.lineage.history(types=["prediction.completed"])
                own = {
                    event.data["asset_id"]: event
                    async for event in events
                    if event.data["predictor_version"] == model_version
                    and event.data["asset_id"] not in labeled
                }
                return list(own.values()) if len(own) == IMAGES - LABELED else None

            return await until(found, f"what {model_version} predicts in lineage")

    async def came_from(self, prediction_id: str) -> set[tuple[str, str]]:
        """The kind and the id of everything that a prediction came from."""
        async with self.client("auditor") as auditor:
            trace = auditor.lineage.trace(f"prediction:{prediction_id}")
            return {(node.kind, node.id) async for node in trace}


async def until(ask: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Ask until there is an answer."""
    for _ in range(1_500):
        if answer := await ask():
            return answer
        await asyncio.sleep(0.2)
    raise TimeoutError(what)
