"""Trainers in real pods: what a node, its kernel and its container runtime do to them.

``WAKELINE_TEST_TRAINER_IMAGE`` is any image with Python 3 that the nodes of
``WAKELINE_TEST_KUBERNETES`` have; Wakeline's own trainer, for example.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kubernetes import client

from wakeline_training.launching.jobs import JobLauncher
from wakeline_training.ports import Order
from wakeline_training.settings import JobLaunch, TrainerSettings

from .kubernetes import Namespace, namespace, needs_kubernetes
from .test_job_launcher import Call, train

IMAGE = os.environ.get("WAKELINE_TEST_TRAINER_IMAGE")
pytestmark = [
    needs_kubernetes,
    pytest.mark.skipif(IMAGE is None, reason="WAKELINE_TEST_TRAINER_IMAGE names no image"),
]
ORDER = Order("9f" * 12, 1, 1, "weeds/outline", {"WAKELINE_RUN_ID": "r"}, timedelta(minutes=10))
SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "96Mi"}}
HEEDS_SIGTERM = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(600)
"""


@pytest_asyncio.fixture(loop_scope="session")
async def space(tmp_path: Path) -> AsyncIterator[Namespace]:
    async with namespace(tmp_path) as opened:
        secret = {
            "metadata": {"name": "s3"},
            "stringData": {"access-key": "the-key", "secret-key": "the-secret"},
        }
        await opened.call(client.CoreV1Api, "create_namespaced_secret", opened.name, secret)
        async with asyncio.timeout(60):  # no pod begins before its namespace's service account
            while not (
                await opened.call(client.CoreV1Api, "list_namespaced_service_account", opened.name)
            )["items"]:
                await asyncio.sleep(0.1)
        yield opened


def launcher(space: Namespace, code: str, **own: Any) -> JobLauncher:
    chosen: dict[str, Any] = {
        "image": IMAGE,
        "store_secret": "s3",
        "namespace": space.name,
        "kubeconfig": space.kubeconfig,
        "resources": SMALL,
        "work_size": "16Mi",
    }
    launch = JobLaunch(**{**chosen, **own})
    return JobLauncher(
        TrainerSettings(
            launch=launch,
            command=("python3", "-c", code),
            beat=timedelta(seconds=0.5),
            grace=timedelta(seconds=5),
        ),
        launch,
    )


async def at_work(call: Call) -> None:
    """Wait until the trainer is at work."""
    await call.until_told(None)


async def test_a_trainer_may_write_to_its_folders_and_nowhere_else_and_has_no_token(
    space: Namespace,
) -> None:
    code = """
import os, pathlib
home = pathlib.Path(os.environ["HOME"])
(home / "a").write_text("x"); pathlib.Path("/tmp/b").write_text("x"); pathlib.Path("c").touch()
for path in ("/a", "/usr/a", "/etc/a"):
    try:
        pathlib.Path(path).write_text("x"); print("WROTE", path)
    except OSError:
        pass
print("root" if os.getuid() == 0 else "a user")
print("token" if os.path.exists("/var/run/secrets/kubernetes.io") else "no token")
print(os.environ["WAKELINE_S3__ACCESS_KEY"], os.environ["WAKELINE_S3__SECRET_KEY"])
"""
    outcome = await train(launcher(space, code), ORDER).outcome()
    assert outcome.exit_code == 0, outcome
    assert outcome.log.decode().split("\n")[:3] == ["a user", "no token", "the-key the-secret"]


async def test_the_reason_of_a_trainer_that_cannot_succeed_reaches_people(space: Namespace) -> None:
    code = (
        "import sys, time; print('one', flush=True); time.sleep(1);"
        "print('why', file=sys.stderr); sys.exit(2)"
    )
    outcome = await train(launcher(space, code), ORDER).outcome()
    assert (outcome.exit_code, outcome.last_words, outcome.excused) == (2, "why", False)


async def test_a_reason_in_the_termination_log_goes_before_the_last_line(space: Namespace) -> None:
    code = (
        "import pathlib, sys; pathlib.Path('/dev/termination-log').write_text('too few classes');"
        "print('bye'); sys.exit(2)"
    )
    outcome = await train(launcher(space, code), ORDER).outcome()
    assert (outcome.exit_code, outcome.last_words) == (2, "too few classes")


async def test_an_evicted_trainer_gets_its_time_for_a_checkpoint_and_is_excused(
    space: Namespace,
) -> None:
    call = train(launcher(space, HEEDS_SIGTERM), ORDER)
    await at_work(call)
    await space.evict(await space.pod())
    outcome = await call.outcome()
    assert (outcome.exit_code, outcome.excused) == (None, True)
    assert "EvictionByEvictionAPI" in outcome.cause


async def test_a_trainer_goes_on_without_a_runner_and_the_next_one_has_all_of_its_log(
    space: Namespace,
) -> None:
    code = "import time; print('one', flush=True); time.sleep(6); print('two', flush=True)"
    call = train(launcher(space, code), ORDER)
    await at_work(call)
    await call.broken_off()
    outcome = await train(launcher(space, code), replace(ORDER, taken_over=True)).outcome()
    assert (outcome.exit_code, outcome.log) == (0, b"one\ntwo\n")


async def test_a_trainer_that_needs_more_memory_than_it_may_have_is_told_so(
    space: Namespace,
) -> None:
    code = "held = [bytearray(1 << 24) for _ in range(64)]"
    outcome = await train(launcher(space, code), ORDER).outcome()
    assert (outcome.exit_code, outcome.excused) == (137, False)
    assert "memory" in outcome.cause  # a busy node may miss why it was killed
    assert "96Mi" in outcome.cause


async def test_a_trainer_that_takes_too_long_is_ended_by_its_node(space: Namespace) -> None:
    order = replace(ORDER, limit=timedelta(seconds=8))
    outcome = await train(launcher(space, HEEDS_SIGTERM), order).outcome()
    assert (outcome.exit_code, outcome.cause) == (None, "it did not end within 8 s")


async def test_an_image_that_is_missing_is_named(space: Namespace) -> None:
    by = launcher(space, "", image="wakeline.invalid/trainer:0", patience=timedelta(seconds=10))
    outcome = await train(by, ORDER).outcome()
    assert outcome.hopeless
    assert "its image wakeline.invalid/trainer:0 cannot be had (" in outcome.cause


async def test_a_credential_that_is_missing_is_named(space: Namespace) -> None:
    call = train(launcher(space, "", store_secret="nowhere"), ORDER)
    await call.until_told('secret "nowhere" not found')
    await call.broken_off()


async def test_a_cancelled_trainer_is_gone_when_its_run_has_ended(space: Namespace) -> None:
    by = launcher(space, HEEDS_SIGTERM)
    call = train(by, ORDER)
    await at_work(call)
    await call.broken_off()
    await by.end(ORDER.run_id)
    assert await space.pods() == []
