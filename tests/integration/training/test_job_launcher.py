"""Trainers as Jobs of a real API server, its Job controller and its admission."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kubernetes import client

from wakeline_training.launching.jobs import JobLauncher
from wakeline_training.launching.rights import Right, missing, rights_of
from wakeline_training.ports import Order, Outcome
from wakeline_training.settings import JobLaunch, TrainerSettings

from .kubernetes import NOWHERE, Namespace, namespace, needs_kubernetes, with_rights

pytestmark = needs_kubernetes
RUN_ID = "9f" * 12
ORDER = Order(
    RUN_ID, 1, 1, "weeds/outline", {"WAKELINE_S3__SECRET_KEY": "hidden"}, timedelta(minutes=10)
)
DOCUMENTED: list[Mapping[str, Any]] = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete", "list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "resourceNames": ["training-run"],
        "verbs": ["get"],
    },
]
"""The table in docs/how-to/train-in-a-cluster.md."""
NEEDED = rights_of(JobLaunch(image="trainer:1", store_secret="s3", owner="training-run"))


@pytest_asyncio.fixture(loop_scope="session")
async def space(tmp_path: Path) -> AsyncIterator[Namespace]:
    async with namespace(tmp_path) as opened:
        yield opened


def launcher(space: Namespace, **own: Any) -> JobLauncher:
    chosen: dict[str, Any] = {
        "image": "trainer:1",
        "store_secret": "s3",
        "namespace": space.name,
        "kubeconfig": space.kubeconfig,
        "node_selector": NOWHERE,
    }
    launch = JobLaunch(**{**chosen, **own})
    beat, grace = timedelta(seconds=0.2), timedelta(seconds=1)
    return JobLauncher(TrainerSettings(launch=launch, beat=beat, grace=grace), launch)


@dataclass
class Call:
    """One call of ``train`` with what it told on the way."""

    task: asyncio.Task[Outcome]
    told: list[str | None] = field(default_factory=list)

    async def until_told(self, words: str | None) -> None:
        """Wait until the latest news holds these words; None: until it waits for nothing."""
        async with asyncio.timeout(60):
            while not (self.told and _says(self.told[-1], words)):
                assert not self.task.done(), self.task.result()
                await asyncio.sleep(0.05)

    async def outcome(self) -> Outcome:
        return await asyncio.wait_for(self.task, 90)

    async def over(self) -> None:
        """End the call, however far it is."""
        self.task.cancel()
        await asyncio.wait({self.task})

    async def broken_off(self) -> None:
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


def train(by: JobLauncher, order: Order = ORDER) -> Call:
    told: list[str | None] = []

    async def watch(_: bytes, waiting_for: str | None) -> None:
        told.append(waiting_for)

    return Call(asyncio.create_task(by.train(order, watch)), told)


async def test_a_trainer_runs_as_one_restricted_job_and_its_status_is_the_outcome(
    space: Namespace,
) -> None:
    call = train(launcher(space))
    pod = await space.pod()  # admission let it in
    (job,) = await space.jobs()
    assert job["metadata"]["name"] == f"wakeline-trainer-{RUN_ID}-1"
    assert "hidden" not in str(job)
    await call.until_told("no node has room for it: ")  # or none is there at all
    await space.says_running(pod)
    await call.until_told(None)
    await space.says_ended(pod, 0)
    outcome = await call.outcome()
    assert (outcome.exit_code, outcome.cause) == (0, "")


async def test_the_last_words_of_a_trainer_that_cannot_succeed_are_told(space: Namespace) -> None:
    call = train(launcher(space))
    await space.says_ended(await space.pod(), 2, "Traceback\nthe classes do not fit")
    outcome = await call.outcome()
    assert (outcome.exit_code, outcome.last_words) == (2, "the classes do not fit")


async def test_the_next_runner_takes_over_what_the_last_one_left(space: Namespace) -> None:
    first = train(launcher(space))
    pod = await space.pod()
    await space.says_running(pod)
    await first.until_told(None)
    await first.broken_off()
    second = train(launcher(space), replace(ORDER, taken_over=True))
    await second.until_told(None)
    assert len(await space.jobs()) == 1
    await space.says_ended(pod, 0)
    third = train(launcher(space), replace(ORDER, taken_over=True))
    assert (await second.outcome()).exit_code == (await third.outcome()).exit_code == 0
    assert [one["metadata"]["uid"] for one in await space.pods()] == [pod["metadata"]["uid"]]


async def test_what_is_to_be_taken_over_and_is_not_there_is_never_begun_again(
    space: Namespace,
) -> None:
    outcome = await train(launcher(space), replace(ORDER, taken_over=True)).outcome()
    assert (outcome.exit_code, outcome.excused) == (None, True)
    assert await space.jobs() == []


async def test_a_job_that_somebody_deletes_is_the_end_of_its_attempt(space: Namespace) -> None:
    call = train(launcher(space))
    await space.says_running(await space.pod())
    await call.until_told(None)
    (job,) = await space.jobs()
    await space.delete_job(job["metadata"]["name"])
    outcome = await call.outcome()
    assert outcome.exit_code is None
    assert outcome.cause in {"its Job was deleted", "its pod was deleted"}
    assert await space.jobs() == []


async def test_an_evicted_trainer_is_excused(space: Namespace) -> None:
    call = train(launcher(space))
    pod = await space.pod()
    await space.says_running(pod)
    await call.until_told(None)
    await space.evict(pod)
    outcome = await call.outcome()
    assert (outcome.exit_code, outcome.excused, outcome.hopeless) == (None, True, False)
    assert "its pod was" in outcome.cause


async def test_a_quota_is_told_in_words_and_waited_for(space: Namespace) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    core = client.CoreV1Api
    await space.call(core, "create_namespaced_resource_quota", space.name, quota)
    async with asyncio.timeout(30):  # the controller counts before anything is refused
        while (
            not (await space.call(core, "read_namespaced_resource_quota", "small", space.name))
            .get("status", {})
            .get("used")
        ):
            await asyncio.sleep(0.1)
    call = train(launcher(space))
    await call.until_told("the namespace's quota has no room for its pod: small, requested: pods=1")
    await space.call(core, "delete_namespaced_resource_quota", "small", space.name)
    await space.says_ended(await space.pod(), 0)
    assert (await call.outcome()).exit_code == 0


async def test_who_cannot_begin_within_the_patience_ends_with_the_reason(space: Namespace) -> None:
    call = train(launcher(space, patience=timedelta(seconds=3)))
    outcome = await call.outcome()
    assert (outcome.exit_code, outcome.hopeless) == (None, True)
    assert outcome.cause.startswith("it could not begin within 3 s: no node has room for it")
    async with asyncio.timeout(30):
        while await space.jobs():
            await asyncio.sleep(0.1)


async def test_a_job_that_no_cluster_takes_ends_with_the_reason(space: Namespace) -> None:
    outcome = await train(launcher(space, labels={"no label": "x"})).outcome()
    assert (outcome.exit_code, outcome.hopeless) == (None, True)
    assert outcome.cause.startswith("its Job is refused: ")
    assert "no label" in outcome.cause


async def test_an_api_server_that_is_away_is_waited_for_and_the_job_goes_on(
    space: Namespace,
) -> None:
    call = train(launcher(space))
    pod = await space.pod()
    await space.says_running(pod)
    await call.until_told(None)
    await space.road.close()
    await call.until_told("the Kubernetes API: ")
    await space.says_ended(pod, 0)
    await space.road.open()
    assert (await call.outcome()).exit_code == 0
    assert len(await space.pods()) == 1


async def test_an_api_server_that_is_away_at_the_begin_is_waited_for(space: Namespace) -> None:
    await space.road.close()
    call = train(launcher(space))
    await call.until_told("the Kubernetes API: ")
    await space.road.open()
    await space.says_ended(await space.pod(), 0)
    assert (await call.outcome()).exit_code == 0
    assert len(await space.jobs()) == 1


async def test_whatever_earlier_of_its_stage_runs_is_ended_by_the_later_and_never_the_reverse(
    space: Namespace,
) -> None:
    first = train(launcher(space))
    await space.says_running(await space.pod())
    await first.until_told(None)
    await first.broken_off()
    second = train(launcher(space), replace(ORDER, attempt=2))
    other = train(launcher(space), replace(ORDER, run_id="ab" * 12, stage_id="weeds/other"))
    await second.until_told("no node has room")
    await other.until_told("no node has room")
    names = {job["metadata"]["name"] for job in await space.jobs()}
    assert names == {f"wakeline-trainer-{RUN_ID}-2", f"wakeline-trainer-{'ab' * 12}-1"}
    late = train(launcher(space))  # was taken for dead and wakes up
    await late.until_told("a later attempt is at work")
    assert {job["metadata"]["name"] for job in await space.jobs()} == names
    await second.broken_off()
    third = train(launcher(space), replace(ORDER, run_id="cd" * 12, number=2))
    await third.until_told("no node has room")
    assert f"wakeline-trainer-{RUN_ID}-2" not in {
        job["metadata"]["name"] for job in await space.jobs()
    }
    await late.over()  # it may have ended by itself: what it made meanwhile was ended
    for call in (other, third):
        await call.broken_off()


async def test_a_job_of_an_earlier_life_is_not_taken_for_ones_own(space: Namespace) -> None:
    first = train(launcher(space))
    old = await space.pod()
    await space.says_ended(old, 0)
    assert (await first.outcome()).exit_code == 0
    again = train(launcher(space))
    async with asyncio.timeout(60):
        while (pod := await space.pod())["metadata"]["uid"] == old["metadata"]["uid"]:
            await asyncio.sleep(0.1)
    await space.says_ended(pod, 2, "another")
    assert (await again.outcome()).exit_code == 2


async def test_a_cancelled_run_leaves_nothing_that_runs(space: Namespace) -> None:
    by = launcher(space)
    call = train(by)
    await space.says_running(await space.pod())
    await call.until_told(None)
    await call.broken_off()
    await by.end("ab" * 12)
    assert len(await space.jobs()) == 1
    await by.end(RUN_ID)
    assert await space.jobs() == []
    assert await space.pods() == []


async def test_the_documented_rights_are_enough_and_the_jobs_go_with_their_owner(
    space: Namespace,
) -> None:
    template = {
        "metadata": {"labels": {"app": "run"}},
        "spec": {"containers": [{"name": "run", "image": "run:1"}]},
    }
    deployment = {
        "metadata": {"name": "training-run"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "run"}},
            "template": template,
        },
    }
    apps = client.AppsV1Api
    await space.call(apps, "create_namespaced_deployment", space.name, deployment)
    kubeconfig = await with_rights(space, DOCUMENTED)()
    by = launcher(space, kubeconfig=kubeconfig, owner="training-run")
    call = train(by)
    await call.until_told("no node has room")
    await space.says_running(await space.pod())
    await call.until_told(None)
    await call.broken_off()
    await by.end(RUN_ID)
    assert await space.jobs() == []

    call = train(by)
    await call.until_told("no node has room")
    await call.broken_off()
    await space.call(apps, "delete_namespaced_deployment", "training-run", space.name)
    async with asyncio.timeout(60):
        while await space.jobs():
            await asyncio.sleep(0.2)


def _without(right: Right) -> list[Mapping[str, Any]]:
    """The documented rules, but for one verb on one resource."""
    return [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != right.verb] or ["watch"]}
        if (rule["apiGroups"], rule["resources"]) == ([right.group], [right.resource])
        else rule
        for rule in DOCUMENTED
    ]


async def test_the_check_lacks_nothing_with_the_documented_rights(space: Namespace) -> None:
    kubeconfig = await with_rights(space, DOCUMENTED)()
    assert await launcher(space, kubeconfig=kubeconfig, owner="training-run").lacking() == []
    elsewhere = launcher(space, kubeconfig=kubeconfig, owner="another")
    (reason,) = await elsewhere.lacking()
    assert "may not get deployments.apps 'another' in namespace" in reason


@pytest.mark.parametrize("right", NEEDED, ids=str)
async def test_the_check_names_a_right_that_is_missing(right: Right, space: Namespace) -> None:
    kubeconfig = await with_rights(space, _without(right))()
    lacking = await launcher(space, kubeconfig=kubeconfig, owner="training-run").lacking()
    user = f"system:serviceaccount:{space.name}:runner"
    assert lacking == [missing(right, user, space.name)]


async def test_the_check_says_when_the_api_server_is_away(space: Namespace) -> None:
    await space.road.close()
    (reason,) = await launcher(space).lacking()
    assert reason.startswith("the Kubernetes API does not answer: ")


async def test_a_right_that_is_missing_is_told_and_waited_for(space: Namespace) -> None:
    kubeconfig = await with_rights(space, DOCUMENTED[1:])()
    call = train(launcher(space, kubeconfig=kubeconfig))
    await call.until_told('cannot list resource "jobs"')
    await call.broken_off()


def _says(latest: str | None, words: str | None) -> bool:
    return latest is None if words is None else words in (latest or "")
