"""The real stack, its processes and its disks: two supervisors, and proxies between them.

``wakeline up --servers-only`` runs the stores, ``wakeline up --split`` the services, which reach
the stores by the proxies only. Both outlive this process, so that a run can be resumed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.system.faults.roads import Road
from wakeline_auth import Role
from wakeline_embedded import access, credentials, documents, identities, ports, processes
from wakeline_embedded.layout import BLOCK, Layout, Ports
from wakeline_embedded.state import Condition, ProcessRecord, StackState

COMMAND_LINE: Final = (
    "import typer; from wakeline_embedded.commands import register; "
    "app = typer.Typer(); register(app); app()"
)
TRAINER: Final = Path(__file__).parents[2] / "integration/training/customer_trainer.py"
STORES: Final = ("broker", "mongod", "seaweedfs")
DISK: Final = "1500M"
"""Size of a store's own small disk; sparse."""


class Platform:
    """A platform that is there to be broken."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.servers = Layout.of(home / "servers")
        self.services = Layout.of(home / "services")
        self.disks: dict[str, Path] = {}
        """Stores that lie on a disk of their own, and where it is."""
        self.roads: dict[str, Road] = {}

    async def up(self, *, small_disks: bool) -> None:
        """Bring everything up, or take over what an earlier run left; all of it, or nothing."""
        try:
            await self._up(small_disks=small_disks)
        except BaseException:  # nobody takes down what never came up
            await self.down()
            raise

    async def _up(self, *, small_disks: bool) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        base = self._base()
        mine = Ports(base)
        to = {"broker": mine.broker, "mongod": mine.mongod, "seaweedfs": mine.seaweed}
        for number, (name, port) in enumerate(to.items()):
            self.roads[name] = Road(base + 2 * BLOCK + number, port)
            await self.roads[name].open()
        if small_disks:
            for name in STORES:
                await asyncio.to_thread(self._mount, name)
        told = {
            "WAKELINE_BROKER_ADVERTISED_PORT": str(self.roads["broker"].port),
            "WAKELINE_TRAINING_TRAINER__COMMAND": json.dumps([sys.executable, str(TRAINER)]),
            "WAKELINE_TRAINING_GATE_WAIT": "PT5S",
        }
        await wakeline(self.servers, ["up", "--servers-only", "--port", str(base)], told)
        keys = credentials.kept(self.servers, [identities.ADMIN])[identities.ADMIN]
        s3 = f"http://{keys.access}:{keys.secret}@127.0.0.1:{self.roads['seaweedfs'].port}"
        given = ["--kafka", self.bootstrap, "--mongo", self.dsn(by_road=True), "--s3", s3]
        await wakeline(self.services, ["up", "--split", "--port", str(base + BLOCK), *given], told)

    async def down(self) -> None:
        """End everything that is there; the data stays, the small disks are unmounted."""
        async with AsyncExitStack() as last_first:  # all of it, also where a part does not end
            for name in STORES:
                disk = self.servers.root / name
                if disk.is_mount():
                    last_first.push_async_callback(_run, "umount", "-l", str(disk))
            for road in self.roads.values():
                last_first.push_async_callback(road.close)
            for layout in (self.servers, self.services):
                if StackState.load(layout) is not None:
                    last_first.push_async_callback(wakeline, layout, ["down"], {})

    @property
    def bootstrap(self) -> str:
        """Where Kafka answers."""
        return f"127.0.0.1:{self.roads['broker'].port}"

    def dsn(self, *, by_road: bool = False) -> str:
        """Where MongoDB answers; the harness itself need not go by the road."""
        port = self.roads["mongod"].port if by_road else Ports.kept(self.servers).mongod
        options = "directConnection=true&w=majority&journal=true&readConcernLevel=majority"
        return f"mongodb://127.0.0.1:{port}/?{options}"

    @property
    def urls(self) -> Mapping[str, str]:
        """Each service's own address."""
        mine = Ports.kept(self.services)
        names = {name.rpartition("-")[0] for name in self.names if name not in STORES}
        return {name: f"http://127.0.0.1:{mine.process(name, 'serve')}" for name in names}

    @property
    def names(self) -> list[str]:
        """All processes, those of the stores among them."""
        return [record.name for record in self._records()]

    def token(self, person: str, role: Role, team: str | None = None) -> str:
        """A token of somebody, good for two days."""
        return access.mint(self.services, person, [role], team, timedelta(days=2))

    def restarts(self) -> int:
        """How often supervisors have started something again."""
        return sum(record.restarts for record in self._records())

    def is_up(self, name: str) -> bool:
        """Whether a process has started and was ready since."""
        return self._record(name).condition in (Condition.UP, Condition.NOT_READY)

    def starting(self) -> int:
        """How many processes are not there, or not yet."""
        return sum(not self.is_up(name) for name in self.names)

    def send(self, name: str, sent: signal.Signals) -> bool:
        """Send a signal to a process; False if it does not run at the moment."""
        found = self._record(name).process
        if found is None or not processes.is_alive(found):
            return False
        with suppress(ProcessLookupError):
            os.kill(found.pid, sent)
            return True
        return False

    async def is_well(self) -> bool:
        """Whether every process of both stacks works."""
        from wakeline_embedded.status import measure

        found = [await measure(layout) for layout in (self.servers, self.services)]
        return all(one is not None and one.works for one in found)

    def fill(self, name: str) -> Path:
        """Leave no byte free on a store's disk; returns the file that takes the space."""
        filler = self.disks[name] / "filler"
        with filler.open("wb") as file, suppress(OSError):
            for size in (1 << 24, 1 << 16, 1 << 12):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), file.seek(0, 2), size)
        return filler

    def _record(self, name: str) -> ProcessRecord:
        return next(record for record in self._records() if record.name == name)

    def _records(self) -> list[ProcessRecord]:
        states = [StackState.load(layout) for layout in (self.servers, self.services)]
        return [record for state in states if state is not None for record in state.records]

    def _base(self) -> int:
        kept = self.home / "base.json"
        found = documents.read(kept)
        if found is None:
            found = {"base": ports.free_block(3 * BLOCK)}
            documents.write(kept, found)
        return int(found["base"])

    def _mount(self, name: str) -> None:
        """Give a store a disk of its own, so that filling it hurts nobody else."""
        where = self.servers.root / name
        if not where.is_mount():
            image = self.home / f"{name}.img"
            where.mkdir(parents=True, exist_ok=True)
            if not image.exists():
                subprocess.run(["truncate", "-s", DISK, str(image)], check=True)
                subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
            (where / "lost+found").rmdir()
        (where / "filler").unlink(missing_ok=True)
        self.disks[name] = where


async def wakeline(layout: Layout, words: list[str], told: Mapping[str, str]) -> None:
    """Run the command line on a stack's folder."""
    command = [sys.executable, "-c", COMMAND_LINE, *words, "--home", str(layout.root)]
    done: Any = await asyncio.to_thread(
        subprocess.run, command, env=os.environ | told, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"wakeline {words[0]} failed: {done.stdout}{done.stderr}")


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True)


def can_mount() -> str | None:
    """None if small disks can be made here, else why not."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    if not Path("/dev/loop-control").exists():
        return "this machine has no loop devices"
    return None
