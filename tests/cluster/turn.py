"""People at work on a release while it is broken: pods, its node, the API server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cluster import edges, trainings
from tests.cluster.cluster import CommandError, kubectl, objects
from tests.cluster.release import Release
from tests.system.faults.run import Plan, Run

PATIENCE: Final = 900.0
"""Seconds for what takes minutes at most: a training, or coming to rest."""
API_SERVER_AWAY: Final = 60.0


@dataclass(frozen=True)
class Means:
    """What this machine can do to its cluster; what is None or False is left out."""

    api_server: str
    """HOST:PORT, as pods reach it."""
    change: bool = False
    """Upgrade and roll back."""
    api_server_pid: Path | None = None
    """File that begins with the process id of the API server."""
    restart_node: str | None = None
    """Command that takes the node down and brings it up again."""


@dataclass
class Found:
    """What a turn has shown beside the verdict of the ledger."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Turn(Run):
    """A run that tries the edges, turns the loop once at least, and breaks more than pods."""

    platform: Release  # type: ignore[assignment]

    def __init__(
        self, plan: Plan, tell: Callable[[str], None], release: Release, means: Means
    ) -> None:
        super().__init__(plan, tell, release)  # type: ignore[arg-type]
        self.means = means
        self.found = Found()
        self._jobs: set[str] = set()
        """Runs for which a Job was seen."""

    async def _break(self, people: asyncio.Task[None]) -> None:
        await asyncio.to_thread(self._check)
        changing = asyncio.create_task(self._change()) if self.means.change else None
        await super()._break(people)
        if changing is not None:
            await changing
        await self._until(people, "a training that has ended well", self._has_trained)
        if self.plan.subject is not None:
            await self._until(people, "a pre-label by a model", self._has_own_prelabel)
        if self.means.api_server_pid is not None:
            await self._stop_api_server(people, self.means.api_server_pid)
        if self.means.restart_node is not None:
            await self._restart_node(people, self.means.restart_node)
        self.found.figures["memory MiB"] = await asyncio.to_thread(_memory, self.platform)

    def _check(self) -> None:
        """Run `helm test`, and try the edges."""
        self.platform.test()
        self.tell("helm test passed")
        broken = edges.broken(self.platform, self.means.api_server)
        self.tell(f"edges tried, not as they have to be: {broken or None}")
        self.found.violations += broken

    async def _change(self) -> None:
        """Upgrade and roll back while people work."""
        await asyncio.to_thread(self.platform.upgrade, "--set", "image.pullPolicy=Never")
        self.tell("upgraded under load")
        await asyncio.to_thread(self.platform.rollback)
        self.tell("rolled back under load")

    async def _stop_api_server(self, people: asyncio.Task[None], pid_file: Path) -> None:
        """Halt the API server for a minute while a trainer is at work: its connections hang."""
        await self._until(people, "a trainer at work", self._is_training)
        pid = int((await asyncio.to_thread(pid_file.read_text)).split()[0])
        before = sum(1 for _ in self.ledger.of("label"))
        self.tell("the API server is halted")
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(API_SERVER_AWAY)
        finally:
            os.kill(pid, signal.SIGCONT)
        made = sum(1 for _ in self.ledger.of("label")) - before
        self.found.figures["labels while the API server was away"] = made
        self.tell(f"the API server goes on; {made} labels meanwhile")
        if not made:
            self.found.violations.append("nobody could label while the API server was away")
        await self._until(people, "an API server that answers", _answers)
        await self._until(people, "the end of that training", self._has_no_training)

    async def _restart_node(self, people: asyncio.Task[None], command: str) -> None:
        """Take the node down with all pods, and up again; data stay on its disks."""
        self.tell("the node goes down")
        began = time.monotonic()
        await asyncio.to_thread(subprocess.run, command, shell=True, check=True)
        up = time.monotonic() - began
        self.tell(f"the node is up after {up:.0f} s")
        while not await self.platform.is_well():
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError("not every pod is ready again")
            await asyncio.sleep(1)
        ready = time.monotonic() - began
        self.found.figures["node down and up s"] = round(up, 1)
        self.found.figures["all ready after node restart s"] = round(ready, 1)
        self.tell(f"all pods are ready after {ready:.0f} s")
        before = sum(1 for _ in self.ledger.of("label"))

        async def goes_on() -> bool:
            return sum(1 for _ in self.ledger.of("label")) >= before + 5

        await self._until(people, "work that goes on", goes_on)

    async def _until(
        self, people: asyncio.Task[None], what: str, true: Callable[[], Awaitable[bool]]
    ) -> None:
        self.tell(f"waiting for {what}")
        async with asyncio.timeout(PATIENCE):
            while not await true():
                if people.done():
                    people.result()
                await asyncio.sleep(1)
        self.tell(f"there is {what}")

    async def _jobs_now(self) -> list[dict[str, Any]]:
        found = await asyncio.to_thread(objects, "jobs", self.platform.namespace, trainings.RUN)
        self._jobs |= {job["metadata"]["labels"][trainings.RUN] for job in found}
        return found

    async def _has_trained(self) -> bool:
        return any(job["status"].get("succeeded") for job in await self._jobs_now())

    async def _is_training(self) -> bool:
        return any(job["status"].get("ready") for job in await self._jobs_now())

    async def _has_no_training(self) -> bool:
        return not any(job["status"].get("active") for job in await self._jobs_now())

    async def _has_own_prelabel(self) -> bool:
        """Whether a model has proposed something, or none was let through by the gate."""
        release = self.platform
        became = await trainings.gather(release.dsn(), release.bootstrap, self._jobs)
        if became.models and not became.published:
            return True
        return trainings.OWN in await trainings.first_prelabels(release.bootstrap)

    async def judge(self, installed: float) -> Found:
        """What became of trainings, and when what came for the first time.

        Parameters
        ----------
        installed
            When the install began, in seconds since 1970.
        """
        await self._jobs_now()
        release = self.platform
        became = await trainings.gather(release.dsn(), release.bootstrap, self._jobs)
        self.found.violations += trainings.violations(became)
        self.found.figures |= trainings.counts(became)
        firsts = await trainings.first_prelabels(release.bootstrap)
        for who, moment in firsts.items():
            self.found.figures[f"install to the first pre-label of {who} s"] = round(
                moment - installed, 1
            )
        return self.found


async def _answers() -> bool:
    try:
        return await asyncio.to_thread(kubectl, "get", "--raw", "/readyz") == "ok"
    except CommandError:
        return False


def _memory(release: Release) -> dict[str, int]:
    """MiB of each pod that does not train."""
    lines = kubectl("top", "pod", "--namespace", release.namespace, "--no-headers").splitlines()
    rows = [line.split() for line in lines]
    pods = {name: int(memory.removesuffix("Mi")) for name, _, memory in rows}
    return {name: size for name, size in pods.items() if "-trainer-" not in name}
