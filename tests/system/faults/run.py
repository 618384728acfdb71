"""One run: bring up, let people work, break things, wait until it is quiet, judge."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from tests.system.faults import clients, evidence, replay
from tests.system.faults.clients import Crowd, Size
from tests.system.faults.evidence import Evidence
from tests.system.faults.inflight import SERVICES, Gauge
from tests.system.faults.ledger import Ledger
from tests.system.faults.platform import Platform
from tests.system.faults.schedule import Fault, Rates, faults
from tests.system.faults.subjects import Noise, Subject
from tests.system.faults.verdict import violations
from wakeline_auth import Role

WAIT_FOR_WORK = 0.7
"""Seconds that a kill waits for its target to have something in hand; then it comes anyway."""
WAIT_FOR_TARGET = 30.0
"""Seconds that a kill waits for its target, and for most others, to be up again after the last
one: where a machine is slow, nothing would ever run."""
MOST_STARTING = 5
IMPATIENT = 8
"""Each kill of this number does not wait, so that processes die while they start as well."""


@dataclass(frozen=True)
class Plan:
    """What a run is to be."""

    home: Path
    seed: int
    kills: int
    rates: Rates = field(default_factory=Rates)
    size: Size = field(default_factory=Size)
    small_disks: bool = False
    """Whether stores lie on disks of their own, which can be filled."""
    subject: Subject | None = None
    """What people label; None: pictures that mean nothing."""
    patience: float = 240.0
    """Seconds that the platform gets to come to rest when the faults are over."""


@dataclass
class Summary:
    """What came of it."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    kills_total: int = 0
    with_work: float = 0.0
    """Share of kills with work under way anywhere in the platform."""
    with_own_work: float = 0.0
    """Share of kills with work in the hands of the very process that was killed."""
    assets: int = 0
    labels: int = 0
    verdicts: int = 0
    leases: int = 0
    events: int = 0
    seconds: float = 0.0
    quiet_after: float = 0.0
    """Seconds from the last fault until nothing moved any more."""
    violations: list[str] = field(default_factory=list)


class Run:
    """A run in a folder; the same folder goes on where an earlier process ended."""

    def __init__(
        self,
        plan: Plan,
        tell: Callable[[str], None] = print,
        platform: Platform | None = None,
    ) -> None:
        """Run on a stack of this machine, unless ``platform`` is something else to break."""
        self.plan = plan
        self.tell = tell
        self.platform = platform or Platform(plan.home)
        plan.home.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(plan.home / "ledger.jsonl")
        self.done = Ledger(plan.home / "faults.jsonl")
        self._lasting: set[asyncio.Task[None]] = set()
        self._broken: set[str] = set()

    async def __call__(self) -> Summary:
        """Do all of it, and leave the platform running."""
        began = time.monotonic()
        self.tell(f"seed {self.plan.seed}, {self.plan.kills} kills, in {self.plan.home}")
        await self.platform.up(small_disks=self.plan.small_disks)
        for name in self.platform.names:  # whatever a run that was broken off left standing still
            self.platform.send(name, signal.SIGCONT)
        handlers = {name: consumer.handlers for name, consumer in replay.CONSUMERS.items()}
        self.gauge = Gauge(self.platform.dsn(), self.platform.bootstrap, handlers)
        subject = self.plan.subject or Noise(self.plan.seed)
        self.crowd = Crowd(self.platform, self.ledger, self.gauge, self.plan.seed, subject)
        await clients.prepare(self.crowd)
        background = [asyncio.create_task(one) for one in (self.gauge.watch_lag(), self._report())]
        people = asyncio.create_task(clients.work(self.crowd, self.plan.size))
        try:
            await self._get_going(people)
            await self._break(people)
            quiet_after = await self._come_to_rest(people)
        finally:
            self.crowd.stop.set()
            for task in (*background, people):
                task.cancel()
            await asyncio.gather(*background, people, return_exceptions=True)
        found = await self.gather()
        summary = self.summarize(found)
        summary.seconds, summary.quiet_after = time.monotonic() - began, quiet_after
        await self.gauge.close()
        (self.plan.home / "summary.json").write_text(json.dumps(asdict(summary), indent=1))
        return summary

    async def gather(self, *, replays: bool = True) -> Evidence:
        """What the platform knows now."""
        options = {"tz_aware": True, "w": "majority", "readConcernLevel": "majority"}
        async with AsyncMongoClient[dict[str, Any]](self.platform.dsn(), **options) as mongo:
            bootstrap = self.platform.bootstrap
            found = await evidence.gather(self.ledger.entries, mongo, bootstrap)
            found.reads = {
                name: consumer.handlers.topics("wakeline")
                for name, consumer in replay.CONSUMERS.items()
            }
            token = self.platform.token("auditor", Role.AUDITOR)
            await evidence.testify(found, self.platform.urls["lineage"], token)
            if replays:
                found.hashes = await replay.hashes(mongo, bootstrap, self.plan.seed)
        return found

    def summarize(self, found: Evidence) -> Summary:
        """The figures, and what is wrong."""
        kills = list(self.done.of("kill"))
        others = [entry for entry in self.done.entries if entry["what"] != "kill"]
        known = Counter(entry["what"] for entry in self.ledger.entries)
        return Summary(
            seed=self.plan.seed,
            kills=dict(sorted(Counter(entry["target"] for entry in kills).items())),
            others=dict(Counter(f"{e['what']} {e['target']}" for e in others)),
            kills_total=len(kills),
            with_work=_share(kills, "work"),
            with_own_work=_share(kills, "own"),
            assets=known["asset"],
            labels=known["label"],
            verdicts=known["verdict"],
            leases=known["lease"] + known["review-lease"],
            events=len(found.events),
            violations=violations(found),
        )

    async def _get_going(self, people: asyncio.Task[None]) -> None:
        """Wait until work flows all the way: a kill before that proves nothing."""
        while sum(1 for _ in self.ledger.of("verdict")) < 5 and not people.done():
            await asyncio.sleep(0.1)

    async def _break(self, people: asyncio.Task[None]) -> None:
        for fault in self._left():
            await asyncio.sleep(fault.after)
            if people.done():
                people.result()
            if fault.kind == "kill":
                await self._kill(fault)
            elif fault.target not in self._broken:
                await self._begin(fault)
        await asyncio.gather(*self._lasting)

    def _left(self) -> Iterator[Fault]:
        """The faults that this run still has to make."""
        known = max((entry["number"] for entry in self.done.entries), default=0)
        kills = sum(1 for _ in self.done.of("kill"))
        targets, fillable = self.platform.names, tuple(self.platform.disks)
        for fault in faults(self.plan.seed, targets, self.plan.rates, fillable):
            if kills >= self.plan.kills:
                return
            if fault.number > known:
                kills += fault.kind == "kill"
                yield fault

    async def _kill(self, fault: Fault) -> None:
        deadline = time.monotonic() + WAIT_FOR_TARGET
        while fault.number % IMPATIENT and time.monotonic() < deadline:
            if self.platform.is_up(fault.target) and self.platform.starting() <= MOST_STARTING:
                break
            await asyncio.sleep(0.1)
        deadline = time.monotonic() + WAIT_FOR_WORK
        while True:
            work = await self.gauge.work()
            if work.of(fault.target) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.01)
        if self.platform.send(fault.target, signal.SIGKILL):
            own = work.of(fault.target)
            self._note(fault, work=work.total(), own=own, requests=sum(work.requests.values()))

    async def _begin(self, fault: Fault) -> None:
        self._broken.add(fault.target)
        self._note(fault)
        task = asyncio.create_task(self._last(fault))
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    async def _last(self, fault: Fault) -> None:
        road = self.platform.roads.get(fault.target)
        try:
            match fault.kind:
                case "pause":
                    self.platform.send(fault.target, signal.SIGSTOP)
                    await asyncio.sleep(fault.seconds)
                case "cut":
                    assert road is not None
                    await road.close()
                    await asyncio.sleep(fault.seconds)
                case "slow":
                    assert road is not None
                    road.delay = fault.delay
                    await asyncio.sleep(fault.seconds)
                case "fill":
                    filler = await asyncio.to_thread(self.platform.fill, fault.target)
                    try:
                        await asyncio.sleep(fault.seconds)
                    finally:
                        filler.unlink()
        finally:
            self.platform.send(fault.target, signal.SIGCONT)
            if road is not None:
                road.delay = 0.0
                await road.open()
            self._broken.discard(fault.target)

    def _note(self, fault: Fault, **more: Any) -> None:
        facts = {k: v for k, v in asdict(fault).items() if k in ("number", "target", "seconds")}
        self.done.write(fault.kind, **facts, **more)

    async def _come_to_rest(self, people: asyncio.Task[None]) -> float:
        """Let people finish what is there, then wait until nothing moves; how long it took."""
        began = time.monotonic()
        self.tell("no more faults; finishing what is there")
        self.crowd.closing.set()
        moving = {"unfinished, as nobody could look yet": 1}  # people must not stop for that
        quiet = 0
        async with AsyncMongoClient[dict[str, Any]](
            self.platform.dsn(), serverSelectionTimeoutMS=2_000
        ) as mongo:
            while quiet < 3:
                await asyncio.sleep(0.4)
                with suppress(PyMongoError):
                    moving = await self._moving(mongo)
                quiet = 0 if moving else quiet + 1
                if not any(name.startswith("unfinished") for name in moving):
                    self.crowd.stop.set()
                if people.done():
                    people.result()
                if time.monotonic() - began > self.plan.patience:
                    self.tell(f"not at rest: {moving}")
                    break
        return time.monotonic() - began

    async def _moving(self, mongo: AsyncMongoClient[dict[str, Any]]) -> dict[str, int]:
        """What is still on its way."""
        labeling, review = mongo["wakeline_labeling"], mongo["wakeline_review"]
        soon = {"kind": {"$ne": "sweep"}, "state": {"$in": ["queued", "running"]}}
        now = {"state": {"$in": ["queued", "running"]}, "not_before": {"$lte": datetime.now(UTC)}}
        found = await unfinished(labeling["tasks"], self.crowd.sent) | {
            "leases": await labeling["slots"].count_documents({"state": "leased"}),
            "reviews": await review["reviews"].count_documents({"verdict": None}),
            "lag": sum(self.gauge.lag.values()) if self.gauge.lag else 1,
            "processes": 0 if await self.platform.is_well() else 1,
        }
        for service in SERVICES:
            database = mongo[f"wakeline_{service}"]
            for name in ("outbox", "waiting", "parked"):
                found[f"{service} {name}"] = await database[name].count_documents({})
            found[f"{service} jobs"] = await database["jobs"].count_documents({"$or": [soon, now]})
        return {name: count for name, count in found.items() if count}

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(10)
            kills = list(self.done.of("kill"))
            known = Counter(entry["what"] for entry in self.ledger.entries)
            self.tell(
                f"{len(kills)} kills ({_share(kills, 'work'):.0%} with work, "
                f"{_share(kills, 'own'):.0%} of their own), {known['asset']} assets, "
                f"{known['label']} labels, {known['verdict']} verdicts, "
                f"{known['surprise']} surprises, broken: {sorted(self._broken) or 'nothing'}"
            )


async def unfinished(tasks: AsyncCollection[dict[str, Any]], sent: int) -> dict[str, int]:
    """How many assets have no task yet, and how many tasks are open.

    How many tasks there are is read first: one that opens between the two reads is missing from the
    first, and open in the second.
    """
    there = await tasks.count_documents({})
    return {
        "unfinished assets": sent - there,
        "unfinished tasks": await tasks.count_documents({"state": "open"}),
    }


def _share(kills: list[dict[str, Any]], what: str) -> float:
    return sum(1 for entry in kills if entry[what]) / len(kills) if kills else 0.0
