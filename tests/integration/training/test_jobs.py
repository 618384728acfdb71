"""The whole run with trainers as Jobs: the service killed, a trainer evicted, a run cancelled.

Servers and API server are real. In place of a node, the test starts what a pod asks for as a
process and says what became of it.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import BUCKETS, SERVICES, Publisher, RunningService, running
from wakeline_training.settings import JobLaunch, TrainerSettings

from . import scenario
from .kubernetes import NOWHERE, Namespace, namespace, needs_kubernetes
from .scenario import CUSTOMER, STAGE_ID, configured, get, labels, training, until
from .test_kill import environment
from .test_kill import until as happens

pytestmark = [needs_kubernetes, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


class Node:
    """Starts the programs of pods here, as a node does with containers."""

    def __init__(self, space: Namespace, secret: Mapping[str, str]) -> None:
        self.programs: dict[str, Process] = {}
        self._space = space
        self._secret = secret

    async def work(self) -> None:
        """Follow all pods for ever."""
        done: set[str] = set()
        while True:
            there = {pod["metadata"]["uid"]: pod for pod in await self._space.pods()}
            for uid, pod in there.items():
                if uid not in self.programs and "deletionTimestamp" not in pod["metadata"]:
                    self.programs[uid] = await self._start(pod)
                    await self._space.says_running(pod)
                elif uid in self.programs and uid not in done:
                    code = self.programs[uid].returncode
                    if code is not None:
                        done.add(uid)
                        await self._space.says_ended(pod, code)
            for uid in set(self.programs) - set(there) - done:
                self._end(uid)
                done.add(uid)
            await asyncio.sleep(0.2)

    def end(self) -> None:
        """Leave no program behind."""
        for uid in self.programs:
            self._end(uid)

    def _end(self, uid: str) -> None:
        if self.programs[uid].returncode is None:
            self.programs[uid].send_signal(signal.SIGKILL)

    async def _start(self, pod: Mapping[str, Any]) -> Process:
        (container,) = pod["spec"]["containers"]
        given = {}
        for variable in container["env"]:
            key = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("key")
            given[variable["name"]] = self._secret[key] if key else variable["value"]
        return await asyncio.create_subprocess_exec(
            *container["command"],
            env={"PATH": os.environ["PATH"], **given, "HOME": "/", "TMPDIR": "/"},
        )


@pytest_asyncio.fixture(loop_scope="session")
async def space(tmp_path: Path) -> AsyncIterator[Namespace]:
    async with namespace(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def node(space: Namespace, scope: Scope) -> AsyncIterator[Node]:
    blobs = scope.blobs("training")
    secret = blobs.secret_key.get_secret_value()
    opened = Node(space, {"access-key": blobs.access_key, "secret-key": secret})
    working = asyncio.create_task(opened.work())
    try:
        yield opened
        assert not working.done(), working.exception()
    finally:
        working.cancel()
        opened.end()


def launch(space: Namespace) -> JobLaunch:
    return JobLaunch(
        image="trainer:1",
        store_secret="s3",
        namespace=space.name,
        kubeconfig=space.kubeconfig,
        node_selector=NOWHERE,
    )


@asynccontextmanager
async def service(space: Namespace, scope: Scope) -> AsyncIterator[RunningService]:
    """The service in this process, with trainers as Jobs."""
    trainer = TrainerSettings(
        command=CUSTOMER,
        launch=launch(space),
        beat=timedelta(seconds=0.2),
        grace=timedelta(seconds=1),
    )
    publisher = Publisher(scope)
    async with running(training(scope, trainer=trainer), scope) as opened:
        await publisher.publish(configured(), *labels(8, holdout=6))
        await opened.settled()
        yield opened


async def progress(opened: RunningService, run_id: str, beyond: int = 0) -> Any:
    """Wait until a run's trainer says how far it is."""
    async with asyncio.timeout(60):
        while True:
            run = await get(opened, f"/v1/runs/{run_id}")
            if run["progress"] and run["progress"]["step"] > beyond:
                return run
            await asyncio.sleep(0.1)


async def test_a_killed_service_takes_its_trainer_over_and_makes_one_model_of_one_attempt(
    space: Namespace, node: Node, scope: Scope
) -> None:
    await scope.make_topics(*SERVICES)
    await scope.make_buckets(*BUCKETS)
    chosen = launch(space).model_dump(mode="json", exclude_defaults=True) | {"kind": "job"}
    variables = environment(scope)
    variables["WAKELINE_TRAINING_TRAINER__LAUNCH"] = json.dumps(chosen)

    async def command(kind: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wakeline_training", kind, env=variables
        )

    assert await (await command("migrate")).wait() == 0
    publisher = Publisher(scope)
    await publisher.publish(configured(trigger=8, steps=60, step_seconds=0.1))
    await publisher.publish(*labels(8, holdout=6))
    async with open_runtime(training(scope)) as runtime:
        runs = runtime.database["runs"]
        for step in (1, 20):  # in the middle, twice, and once more after the trainer's end
            process = await command("all")
            await happens(lambda step=step: runs.find_one({"progress.step": {"$gte": step}}))  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            await process.wait()
        (program,) = node.programs.values()
        assert await asyncio.wait_for(program.wait(), 60) == 0
        process = await command("all")
        run = await happens(lambda: runs.find_one({"state": "completed"}))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        stage = await runtime.database["stages"].find_one({"_id": STAGE_ID})
        assert stage["serving"] == run["model_version"] == f"{run['_id']}.1"
        assert run["reported"]["resumed_at"] == 0
        assert await runtime.database["models"].count_documents({}) == 1
    assert len(await space.jobs()) == len(node.programs) == 1
    kinds = [kind for kind, _ in await scenario.told(scope)]
    assert kinds.count("training.started") == 1


async def test_an_evicted_trainer_goes_on_from_its_checkpoint_and_nothing_is_counted_against_it(
    space: Namespace, node: Node, scope: Scope
) -> None:
    async with service(space, scope) as opened:
        run_id = await scenario.start(opened, steps=60, step_seconds=0.1)
        for _ in range(3):  # as often as failures would end the run
            await progress(opened, run_id, beyond=2)
            (pod,) = [p for p in await space.pods() if p["status"]["phase"] == "Running"]
            attempt = (await get(opened, f"/v1/runs/{run_id}"))["attempt"]
            await space.evict(pod)
            async with asyncio.timeout(60):
                while (run := await get(opened, f"/v1/runs/{run_id}"))["attempt"] == attempt:
                    await asyncio.sleep(0.1)
            assert f"attempt {attempt} was broken off: its pod was" in run["setback"]
        run = await until(opened, run_id, "completed", limit=120)
        assert (run["attempt"], run["metrics"]["resumed_at"] > 0) == (4, True)
        await opened.settled()
        assert len((await get(opened, "/v1/models"))["items"]) == 1


async def test_jobs_deleted_by_hand_are_tried_again_and_three_end_the_run_with_the_reason(
    space: Namespace, node: Node, scope: Scope
) -> None:
    async with service(space, scope) as opened:
        run_id = await scenario.start(opened, steps=10_000, step_seconds=0.1)
        gone: set[str] = set()
        async with asyncio.timeout(120):
            while (run := await get(opened, f"/v1/runs/{run_id}"))["state"] != "failed":
                for job in await space.jobs():
                    name = job["metadata"]["name"]
                    if name not in gone and job["status"].get("active") and run["progress"]:
                        gone.add(name)
                        await space.delete_job(name)
                await asyncio.sleep(0.1)
        assert (run["attempt"], len(gone)) == (3, 3)
        assert run["failure"]["code"] == "trainer-failed"
        assert "was deleted" in run["failure"]["detail"]
        await opened.settled()
        again = await scenario.start(opened, steps=3)
        assert (await until(opened, again, "completed", limit=120))["state"] == "completed"


async def test_a_cancelled_run_ends_its_job(space: Namespace, node: Node, scope: Scope) -> None:
    async with service(space, scope) as opened:
        run_id = await scenario.start(opened, steps=10_000, step_seconds=0.1)
        await progress(opened, run_id)
        async with opened.client("engineer") as client:
            cancelled = await client.post(f"/v1/runs/{run_id}/cancel")
        assert cancelled.json()["state"] == "cancelled"
        async with asyncio.timeout(60):
            while await space.jobs():
                await asyncio.sleep(0.1)
        await opened.settled()
    (program,) = node.programs.values()
    assert await asyncio.wait_for(program.wait(), 20) != 0


async def test_what_a_trainer_waits_for_stands_at_its_run(space: Namespace, scope: Scope) -> None:
    async with service(space, scope) as opened:  # without a node
        run_id = await scenario.start(opened)
        async with asyncio.timeout(60):
            while not (run := await get(opened, f"/v1/runs/{run_id}"))["waiting_for"] or (
                "no node has room" not in run["waiting_for"]
            ):
                await asyncio.sleep(0.1)
        async with opened.client("engineer") as client:
            run = (await client.post(f"/v1/runs/{run_id}/cancel")).json()
        assert run["waiting_for"] is None
        await opened.settled()
        assert await space.jobs() == []
