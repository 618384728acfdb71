"""Migrations: one migrator at a time, killed anywhere, and processes that wait or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from wakeline_embedded.ports import free_port
from wakeline_embedded.servers import start_mongod, stop
from wakeline_messaging import create_indexes
from wakeline_process import entry
from wakeline_process.processes import Kind, open_process
from wakeline_process.runtime import open_runtime
from wakeline_storage import DatabaseIsNewerError, Migration, migrate, migrations, version_of
from wakeline_storage.migrations import Database
from wakeline_testing import Scope
from wakeline_testing.running import settings_of

from .toy import ToySettings, toy

pytestmark = [pytest.mark.mongo]


class Steps:
    """Migrations that note when they run, and may be killed."""

    def __init__(self, killed_in: int | None = None) -> None:
        self.ran: list[int] = []
        self.at_once = self.most_at_once = 0
        self.killed_in = killed_in

    def of(self, *versions: int) -> tuple[Migration, ...]:
        return tuple(Migration(v, f"step {v}", self._step(v)) for v in versions)

    def _step(self, version: int) -> Callable[[Database], object]:
        async def apply(database: Database) -> None:
            self.ran.append(version)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                await database["things"].update_one(
                    {"_id": version}, {"$set": {"there": True}}, upsert=True
                )
                if self.killed_in == version:
                    await asyncio.sleep(3600)
                await asyncio.sleep(0.05)
            finally:
                self.at_once -= 1

        return apply


async def test_two_migrators_at_once_take_each_step_once(scope: Scope) -> None:
    steps = Steps()
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        taken = await asyncio.gather(
            *(migrate(runtime.database, steps.of(1, 2, 3), create_indexes) for _ in range(4))
        )
        assert sorted(map(len, taken)) == [0, 0, 0, 3]
        assert (steps.ran, steps.most_at_once) == ([1, 2, 3], 1)
        assert await version_of(runtime.database) == 3


async def test_a_migrator_that_was_killed_is_followed_by_another_that_takes_its_step_again(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LEASE", timedelta(seconds=2))
    killed, steps = Steps(killed_in=2), Steps()
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        dying = asyncio.create_task(migrate(runtime.database, killed.of(1, 2)))
        while killed.ran != [1, 2]:
            await asyncio.sleep(0.02)
        row = await runtime.database["migrating"].find_one({})
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        # A SIGKILL gives nothing back.
        await runtime.database["migrating"].replace_one({"_id": "migrator"}, row)
        assert await version_of(runtime.database) == 1
        async with asyncio.timeout(30):
            assert await migrate(runtime.database, steps.of(1, 2)) == ["step 2"]
        assert steps.ran == [2]
        assert await version_of(runtime.database) == 2


async def test_a_newer_release_waits_for_its_migration_and_an_older_one_refuses_to_start(
    scope: Scope,
) -> None:
    steps = Steps()
    settings = settings_of(scope, "prediction", ToySettings)
    old, new = (toy(settings, migrations=steps.of(*versions)) for versions in ((1,), (1, 2)))
    async with open_runtime(new) as runtime:
        await migrate(runtime.database, old.migrations, create_indexes)
        async with open_process(old, Kind.SERVE):
            async with asyncio.TaskGroup() as group:
                started = asyncio.Event()

                async def start_new() -> None:
                    async with open_process(new, Kind.SERVE):
                        started.set()

                group.create_task(start_new())
                await asyncio.sleep(1.5)
                assert not started.is_set(), "it would find a database that is not its own"
                await migrate(runtime.database, new.migrations, create_indexes)
            assert started.is_set()
        with pytest.raises(DatabaseIsNewerError, match="is at version 2, this release knows 1"):
            async with open_process(old, Kind.SERVE):
                pass
        with pytest.raises(DatabaseIsNewerError):
            await migrate(runtime.database, old.migrations)


async def test_a_migration_waits_for_a_mongodb_that_is_only_just_starting(tmp_path: Path) -> None:
    port = free_port()
    late = ToySettings(**without_servers(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"))
    waiting = asyncio.create_task(entry.migrate_database(toy(late, migrations=Steps().of(1))))
    await asyncio.sleep(1)
    assert not waiting.done()
    server = await start_mongod(tmp_path, port)
    try:
        async with asyncio.timeout(60):
            await waiting
    finally:
        await stop(server)


async def test_a_migration_gives_up_on_a_mongodb_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entry, "PATIENCE", 0.0)
    nowhere = ToySettings(**without_servers(f"mongodb://127.0.0.1:{free_port()}/"))
    with pytest.raises(PyMongoError):
        await entry.migrate_database(toy(nowhere))


def without_servers(dsn: str) -> dict[str, Any]:
    """Settings of a service of which only the database will be asked."""
    return {
        "mongo": {"dsn": dsn, "database": "late"},
        "kafka": {"bootstrap": "127.0.0.1:1"},
        "blobs": {"endpoint": "127.0.0.1:1", "access_key": "none", "secret_key": "none"},
        "auth": {"issuer": "none", "jwks": "{}"},
        "http": {"port": 1},
    }
