"""The simulated workforce: one process a person, each with a URL and a token and nothing else."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = dict[str, Any]


class WorkerDiedError(Exception):
    """A simulated person's process ended; its error stands on the console."""


@dataclass
class Member:
    """One person's process."""

    person_id: str
    process: asyncio.subprocess.Process

    @classmethod
    async def hire(cls, person_id: str, token: str, told: Work) -> "Member":
        """Start a person: what it is told is public, its token is its own."""
        # Nothing of our environment but what Python needs: no store credential can leak in.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WAKELINE")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wakeline_demo.workforce",
            json.dumps(told),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
            env=environment | {"WAKELINE_TOKEN": token, "OMP_NUM_THREADS": "1"},
        )
        return cls(person_id, process)

    async def do(self, what: str) -> Work:
        """Let the person do one thing and say what came of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what}).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise WorkerDiedError(f"{self.person_id} ended with {await self.process.wait()}")
        answer: Work = json.loads(line)
        return answer | {"person_id": self.person_id}

    async def dismiss(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        with suppress(ProcessLookupError, ConnectionResetError):
            self.process.stdin.close()
        await self.process.wait()


@dataclass
class Crew:
    """People of one kind."""

    members: list[Member]

    async def work(self, what: str, quota: int | None, done: Callable[[Work], None]) -> int:
        """Let everybody work side by side until nobody finds anything, or the quota is done.

        Returns
        -------
        int
            How many things were done.
        """
        left = quota if quota is not None else sys.maxsize
        count = 0

        async def one(member: Member) -> None:
            nonlocal left, count
            while left > 0:
                left -= 1
                work = await member.do(what)
                if work["did"] == "nothing":
                    left += 1
                    return
                count += 1
                done(work)

        try:
            async with asyncio.TaskGroup() as group:
                for member in self.members:
                    group.create_task(one(member))
        except* WorkerDiedError as died:
            raise WorkerDiedError(str(died.exceptions[0])) from died
        return count

    async def dismiss(self) -> None:
        """Everybody goes home."""
        await asyncio.gather(*(member.dismiss() for member in self.members))


def told(
    url: str, truth: Path, project: str, stage: str, *, seed: int, number: int, expert: bool
) -> Work:
    """What a simulated person is told at the start."""
    return {
        "url": url,
        "truth": str(truth),
        "project": project,
        "stage": stage,
        "seed": seed,
        "number": number,
        "expert": expert,
    }
