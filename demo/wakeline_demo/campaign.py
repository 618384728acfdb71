"""Drives the loop through the public API: upload, label, review, train, publish, again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wakeline_demo.crew import Crew, Member, Work, told
from wakeline_demo.effort import COST_PER_HOUR, Step
from wakeline_demo.figures import Arms, Labeled, compare, shares
from wakeline_demo.folders import Folder
from wakeline_demo.plan import STAGE, Plan
from wakeline_sdk import AsyncClient, Upload, WakelineError
from wakeline_sdk.models import FileReport, LabelRecord, ModelVersion, Run

Mint = Callable[[str, str, str], str]
"""(person id, role, team id) -> token."""
Say = Callable[[str], None]


class CampaignError(Exception):
    """The demo cannot go on; the message says why and what to look at."""


@dataclass
class Iteration:
    """What one turn of the loop cost and gave."""

    n: int
    predictor: str
    works: list[Work] = field(default_factory=list)
    """What labelers did in this turn."""
    labels: list[Labeled] = field(default_factory=list)
    """Of the images that were first labeled in this turn. The other half of a pair may be made
    in a later one: it sees no pre-label, so nothing depends on when."""
    labeler_seconds: float = 0.0
    expert_seconds: float = 0.0
    agreements: list[float] = field(default_factory=list)
    run: Run | None = None
    model: ModelVersion | None = None
    hours: float = 0.0
    """So far, all iterations up to this one."""
    cost: float = 0.0
    seed: int = 0

    @property
    def images(self) -> int:
        """How many images were first labeled in this turn."""
        return len({label.asset_id for label in self.labels})

    @property
    def arms(self) -> Arms:
        """Seconds per image, assisted and control."""
        return compare(self.labels, self.seed)

    @property
    def shares(self) -> dict[str, float]:
        """Confirmed, edited, drawn and removed, in the assisted arm."""
        return shares(self.labels)

    @property
    def agreement(self) -> float | None:
        """Mean agreement of the labels with what reviewers made of them."""
        return sum(self.agreements) / len(self.agreements) if self.agreements else None


@dataclass
class Campaign:
    """One run of the demo against a platform that is up."""

    client: AsyncClient
    url: str
    folder: Folder
    plan: Plan
    mint: Mint
    say: Say
    iterations: list[Iteration] = field(default_factory=list)

    async def run(self) -> list[Iteration]:
        """Turn the loop."""
        await self._upload()
        labelers, experts = await self._staff()
        await self.client.projects.apply(self.plan.document)
        self.say("project applied; the first predictor looks at every image")
        await self._predicted(epoch=0)
        try:
            for n, quota in enumerate(self.plan.labels_per_iteration, start=1):
                last = n == self.plan.iterations
                await self._iterate(n, quota, labelers, experts, last)
            records = [record async for record in self.client.labels.list(self.plan.project)]
            attribute(self.iterations, records)
        finally:
            await labelers.dismiss()
            await experts.dismiss()
        return self.iterations

    async def _iterate(self, n: int, quota: int, labelers: Crew, experts: Crew, last: bool) -> None:
        status = await self.client.projects.status(self.plan.project, STAGE)
        heuristic = self.plan.document["stages"][0]["predictors"][1]["name"]
        predictor = await self._called(status["model_version"], heuristic)
        iteration = Iteration(n=n, predictor=predictor, seed=self.plan.seed)
        self.iterations.append(iteration)
        self.say(f"iteration {n}: people label, shown pre-labels of {predictor}")
        await self._label(iteration, quota, labelers, experts, last)
        self._count(iteration)
        run = await self._train()
        iteration.run = run
        if run.model_version is not None:
            iteration.model = await self.client.models.get(run.model_version)
        await self._predicted(epoch=None)

    async def _label(
        self, iteration: Iteration, quota: int, labelers: Crew, experts: Crew, last: bool
    ) -> None:
        """Let people label until ``quota`` more labels count, reviews and rework included."""
        before = await self._counting()
        while True:
            missing = before + quota - await self._counting()
            if missing <= 0 and not last:
                break
            batch = None if last else missing
            worked = await labelers.work("label", batch, iteration.works.append)
            reviewed = await self._review(iteration, experts)
            if not worked and not reviewed and await self._nothing_left():
                break
        iteration.labeler_seconds = sum(work["seconds"] for work in iteration.works)

    def _reviewed(self, iteration: Iteration, work: Work) -> None:
        iteration.expert_seconds += work["seconds"]
        if work["agreement"] is not None:
            iteration.agreements.append(work["agreement"])

    def _count(self, iteration: Iteration) -> None:
        spent = self.iterations
        labelers = sum(i.labeler_seconds for i in spent) / 3600
        experts = sum(i.expert_seconds for i in spent) / 3600
        iteration.hours = labelers + experts
        iteration.cost = labelers * COST_PER_HOUR["labeler"] + experts * COST_PER_HOUR["expert"]

    async def _train(self) -> Run:
        run = await self.client.runs.start(self.plan.project, STAGE)
        self.say(f"training run {run.number} on {await self._counting()} labels")
        while run.state not in ("completed", "failed", "cancelled"):
            await asyncio.sleep(1.0)
            run = await self.client.runs.get(run.run_id)
        verdict = run.gate.verdict if run.gate else (run.failure or {}).get("detail", run.state)
        self.say(f"training run {run.number}: {verdict}")
        return run

    async def _predicted(self, epoch: int | None) -> None:
        """Wait until every queued task has a pre-label of the epoch that serves."""

        async def fresh() -> bool:
            status = await self.client.projects.status(self.plan.project, STAGE)
            wanted = str(status["serving_epoch"] if epoch is None else epoch)
            opened = sum(status["slots"].values()) > 0
            behind = {e: n for e, n in status["queued_by_epoch"].items() if e != wanted and n}
            return opened and not behind

        await self._until(fresh, 300, "pre-labels of the serving epoch for every queued task")

    async def _counting(self) -> int:
        """Labels that count: accepted ones, one an asset."""
        counts = await self.client.reviews.status(self.plan.project, STAGE)
        return counts.get("merged", 0)

    async def _review(self, iteration: Iteration, experts: Crew) -> int:
        """Let experts judge until no submitted label is without its verdict."""
        reviewed = 0

        async def judged() -> bool:
            nonlocal reviewed
            reviewed += await experts.work("review", None, lambda w: self._reviewed(iteration, w))
            status = await self.client.projects.status(self.plan.project, STAGE)
            return not status["slots"].get("submitted")

        await self._until(judged, 120, "a verdict on every submitted label")
        return reviewed

    async def _called(self, model_version: str | None, heuristic: str) -> str:
        """What serves, in words that fit into a table."""
        if model_version is None:
            return heuristic
        return f"own model {(await self.client.models.get(model_version)).number}"

    async def _nothing_left(self) -> bool:
        status = await self.client.projects.status(self.plan.project, STAGE)
        return bool(status["slots"].get("queued", 0) <= status["waits_for_others"])

    async def _upload(self) -> None:
        await self.client.datasets.create(self.plan.dataset, f"demo: {self.folder.path.name}")
        uploads = [
            Upload(image.path, bands={"nir": image.nir} if image.nir else {})
            for image in self.folder.images
        ]
        count = 0

        def tell(_: FileReport) -> None:
            nonlocal count
            count += 1
            if count % 20 == 0 or count == len(uploads):
                self.say(f"uploaded {count} of {len(uploads)} images")

        report = await self.client.datasets.upload_all(self.plan.dataset, uploads, tell)
        if report.refused:
            raise CampaignError(f"refused: {report.refused[0].path}: {report.refused[0].reason}")

        async def ingested() -> bool:
            dataset = await self.client.datasets.get(self.plan.dataset)
            return dataset.ingested >= len({image.digest for image in self.folder.images})

        await self._until(ingested, 300, "all images in their groups")

    async def _staff(self) -> tuple[Crew, Crew]:
        project = self.plan.project
        crew, experts = f"{project}-crew", f"{project}-experts"
        await self.client.teams.put(
            crew, name="simulated crew", kind="vendor", cost_per_hour=COST_PER_HOUR["labeler"]
        )
        await self.client.teams.put(
            experts,
            name="simulated experts",
            kind="internal",
            cost_per_hour=COST_PER_HOUR["expert"],
        )
        return (
            await self._hire(crew, "labeler", self.plan.labelers, expert=False),
            await self._hire(experts, "reviewer", self.plan.experts, expert=True),
        )

    async def _hire(self, team: str, role: str, count: int, *, expert: bool) -> Crew:
        members = []
        for number in range(count):
            person = await self.client.people.create(
                f"simulated {role} {number + 1}", team_id=team, roles=[role]
            )
            members.append(
                await Member.hire(
                    person.person_id,
                    self.mint(person.person_id, role, team),
                    told(
                        self.url,
                        self.folder.path,
                        self.plan.project,
                        STAGE,
                        seed=self.plan.seed,
                        number=number + (1_000 if expert else 0),
                        expert=expert,
                    ),
                )
            )
        return Crew(members)

    async def _until(self, reached: Callable[[], Awaitable[bool]], limit: float, what: str) -> None:
        deadline = time.monotonic() + limit
        last: Any = None
        while time.monotonic() < deadline:
            try:
                if await reached():
                    return
            except WakelineError as error:
                last = error
            await asyncio.sleep(0.3)
        hint = f" ({last})" if last else ""
        raise CampaignError(
            f"waited {limit:g} s for {what}{hint}: `wakeline status` and `wakeline logs` say more"
        )


def attribute(iterations: Sequence[Iteration], records: Iterable[LabelRecord]) -> None:
    """Join what people say they did with what the platform counted, and sort it by turns."""
    done = {work["label_id"]: (work, turn) for turn in iterations for work in turn.works}
    labels: dict[str, list[Labeled]] = {}
    turns: dict[str, Iteration] = {}
    for record in records:
        if record.label_id not in done or record.effort.client_seconds is None:
            continue
        work, turn = done[record.label_id]
        asset_id = record.asset.asset_id
        turns[asset_id] = min(turn, turns.get(asset_id, turn), key=lambda i: i.n)
        labels.setdefault(asset_id, []).append(_labeled(record, work))
    for asset_id, turn in turns.items():
        turn.labels.extend(labels[asset_id])


def _labeled(record: LabelRecord, work: Work) -> Labeled:
    effort = record.effort
    return Labeled(
        asset_id=record.asset.asset_id,
        arm=record.arm,
        seconds=effort.client_seconds or 0.0,
        quality=work["quality"],
        shares={
            "confirmed": effort.confirmed,
            "edited": effort.edited,
            "drawn": effort.drawn,
            "removed": effort.removed,
        },
        steps=tuple(Step(**step) for step in work["steps"]),
    )
