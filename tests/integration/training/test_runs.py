"""From accepted labels to a served model, and everything that may go wrong on the way."""

import asyncio
import os
from typing import Any

import pytest

from wakeline_blobs import BlobAccessDeniedError, Blobs
from wakeline_messaging import JobLease
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, running
from wakeline_training.usecases import asking

from . import scenario
from .scenario import (
    STAGE_ID,
    accepted,
    configured,
    get,
    labeled,
    labels,
    predicted,
    trained,
    training,
    until,
)

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody reaped does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_enough_labels_lead_to_a_served_model(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(trigger=30, quality=0.95))
        await publisher.publish(*(predicted(n) for n in range(12)))
        await publisher.publish(*labels(29, holdout=12))
        await service.settled()
        assert (await get(service, "/v1/runs"))["items"] == []
        await publisher.publish(accepted(29, arm="assisted"))
        await service.settled()

        (run,) = (await get(service, "/v1/runs?project=weeds&stage=outline"))["items"]
        assert (run["state"], run["cause"], run["attempt"]) == ("completed", "labels", 1)
        assert run["progress"]["step"] == run["progress"]["of"] == 3
        assert run["metrics"] == {"resumed_at": 0, "steps": 3, "base": None}

        version = await get(service, f"/v1/dataset-versions/{run['dataset_version']}")
        lines = await scenario.manifest(service, run["dataset_version"])
        assert [line["asset_id"] for line in lines] == sorted(line["asset_id"] for line in lines)
        for split, counts in version["splits"].items():
            assert counts["assets"] == sum(line["split"] == split for line in lines)
        assert version["splits"]["holdout"]["assets"] >= 6

        (model,) = (await get(service, "/v1/models?project=weeds"))["items"]
        assert model["serving"]
        assert model["gate"]["verdict"] in {"passed", "underpowered"}
        assert model["gate"]["comparator"] == "heuristic.ndvi@v0"
        assert model["gate"]["difference"] > 0.2
        assert model["metrics"]["ap"] > 0.8
        assert model["publications"][0]["by"] is None
        key = f"{model['artefact_key']}model.onnx"
        assert await scenario.as_prediction(scope, key) == b"weights of quality 0.95, attempt 1"
        async with Blobs(scope.blobs("training")) as blobs:
            with pytest.raises(BlobAccessDeniedError):
                await blobs.get("models", key)
    told = await scenario.told(scope)
    assert [kind for kind, _ in told] == [
        "dataset.frozen",
        "training.started",
        "model.trained",
        "model.published",
    ]
    assert told[-1][1]["serving_epoch"] == 1
    assert told[-1][1]["artefact_key"] == model["artefact_key"]
    assert told[2][1]["gate"] == model["gate"]


async def test_a_trainer_gets_what_the_contract_says_and_none_of_the_services_secrets(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKELINE_TRAINING_MONGO__DSN", "mongodb://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with labeled(scope) as service:
        run = await trained(service)
        async with service.client("engineer") as client:
            log = (await client.get(f"/v1/runs/{run['run_id']}/log")).text
        async with service.client("auditor") as client:
            refused = await client.get(f"/v1/runs/{run['run_id']}/log")
    assert refused.status_code == 403
    names = set(log.split("environment [")[1].split("]")[0].replace("'", "").split(", "))
    assert {name for name in names if name.startswith("WAKELINE_")} == {
        "WAKELINE_RUN_ID",
        "WAKELINE_ATTEMPT",
        "WAKELINE_DATASET_URI",
        "WAKELINE_OUTPUT_URI",
        "WAKELINE_CHECKPOINT_URI",
        "WAKELINE_PARAMETERS",
        "WAKELINE_S3__ENDPOINT",
        "WAKELINE_S3__ACCESS_KEY",
        "WAKELINE_S3__SECRET_KEY",
        "WAKELINE_S3__SECURE",
        "WAKELINE_S3__REGION",
    }
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert "OMP_NUM_THREADS" in names


async def test_a_run_is_asked_for_once_and_one_at_a_time(scope: Scope) -> None:
    async with labeled(scope) as service:
        async with service.client("engineer") as client:
            body = {"project": "weeds", "stage": "outline", "parameters": {"step_seconds": 0.3}}
            key = {"Idempotency-Key": "k1"}
            first = await client.post("/v1/runs", json=body, headers=key)
            again = await client.post("/v1/runs", json=body, headers=key)
            other = await client.post("/v1/runs", json=body)
            unknown = await client.post("/v1/runs", json={**body, "stage": "nowhere"})
        assert (first.status_code, again.json()) == (201, first.json())
        assert (other.status_code, other.json()["code"]) == (409, "run-active")
        assert other.json()["run_id"] == first.json()["run_id"]
        assert (unknown.status_code, unknown.json()["code"]) == (404, "stage-unknown")
        async with service.client("labeler") as client:
            assert (await client.post("/v1/runs", json=body)).status_code == 403
            assert (await client.get("/v1/models")).status_code == 403
        await service.settled()


async def test_a_trainer_that_fails_goes_on_from_its_checkpoint_and_only_the_last_attempt_counts(
    scope: Scope,
) -> None:
    async with labeled(scope) as service:
        run_id = await scenario.start(service, failing_attempts=2, steps=5)
        run = await until(service, run_id, "completed", limit=120)
        await service.settled()
        assert run["attempt"] == 3
        assert run["metrics"] == {"resumed_at": 2, "steps": 5, "base": None}
        assert run["model_version"] == f"{run_id}.3"
    kinds = [kind for kind, _ in await scenario.told(scope)]
    assert kinds.count("training.started") == 3
    assert kinds.count("model.trained") == kinds.count("model.published") == 1


async def test_three_failures_end_a_run_and_the_stage_is_free_again(scope: Scope) -> None:
    async with labeled(scope) as service:
        run_id = await scenario.start(service, lying=True)
        run = await until(service, run_id, "failed", limit=120)
        assert run["attempt"] == 3
        assert run["failure"]["code"] == "trainer-failed"
        assert "model.onnx is not what done.json says" in run["failure"]["detail"]
        assert (await trained(service))["state"] == "completed"
    told = await scenario.told(scope)
    assert [data["reason"] for kind, data in told if kind == "training.failed"] == [
        "trainer-failed"
    ]


async def test_a_model_with_the_card_of_another_does_not_serve(scope: Scope) -> None:
    async with labeled(scope) as service:
        run_id = await scenario.start(service, stale_card=True)
        run = await until(service, run_id, "failed", limit=120)
        assert run["failure"]["code"] == "trainer-failed"
        assert "card.json is of another model.onnx" in run["failure"]["detail"]
        assert (await get(service, "/v1/models"))["items"] == []


async def test_parameters_that_no_trainer_can_be_given_are_refused_at_the_door(
    scope: Scope,
) -> None:
    async with labeled(scope) as service:
        async with service.client("engineer") as client:
            for parameters, reason in (
                ({"seed": 2**63}, "64 bits"),
                ({"a\0b": 1}, "no name"),
                ({"max_seconds": "abc"}, "a week"),
            ):
                body = {"project": "weeds", "stage": "outline", "parameters": parameters}
                answer = await client.post("/v1/runs", json=body)
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
                assert reason in answer.json()["errors"][0]["msg"]
        assert (await get(service, "/v1/runs"))["items"] == []


async def test_a_policy_with_parameters_that_no_trainer_can_be_given_ends_its_run(
    scope: Scope,
) -> None:
    async with labeled(scope, max_seconds="abc") as service:
        run = await trained(service)
        assert (run["state"], run["failure"]["code"]) == ("failed", "trainer-failed")
        assert "a week" in run["failure"]["detail"]


async def test_bad_input_is_not_tried_again_and_its_reason_is_for_people_only(
    scope: Scope,
) -> None:
    async with labeled(scope) as service:
        run = await trained(service, bad_input=True)
        assert (run["state"], run["attempt"]) == ("failed", 1)
        assert run["failure"] == {
            "code": "bad-input",
            "detail": "the classes do not fit the images",
        }
    kind, data = (await scenario.told(scope))[-1]
    assert (kind, data["reason"]) == ("training.failed", "bad-input")


@pytest.mark.parametrize("ignoring", [False, True], ids=["heeds SIGTERM", "ignores SIGTERM"])
async def test_a_cancelled_run_ends_its_trainer(scope: Scope, ignoring: bool) -> None:
    async with labeled(scope) as service:
        run_id = await scenario.start(
            service, steps=1_000, step_seconds=0.1, ignore_sigterm=ignoring
        )
        while (await get(service, f"/v1/runs/{run_id}"))["progress"] is None:
            await asyncio.sleep(0.05)
        (pid,) = _children_running("customer_trainer.py")
        async with service.client("engineer") as client:
            cancelled = await client.post(f"/v1/runs/{run_id}/cancel")
            assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
            again = await client.post(f"/v1/runs/{run_id}/cancel")
            assert (again.status_code, again.json()["code"]) == (409, "run-ended")
        await service.settled()
        assert not alive(pid)
        assert (await trained(service))["state"] == "completed"
    told = await scenario.told(scope)
    assert [data["reason"] for kind, data in told if kind == "training.failed"] == ["cancelled"]


async def test_a_crash_between_done_and_the_transaction_makes_one_model(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = JobLease.finish
    crashed: list[str] = []

    async def crash_once(self: JobLease[Any, Any], body: Any) -> None:
        if self.job.kind in {"train", "gate"} and self.job.kind not in crashed:
            crashed.append(self.job.kind)
            raise RuntimeError("crashed before the transaction")
        await finish(self, body)

    monkeypatch.setattr(JobLease, "finish", crash_once)
    async with labeled(scope) as service:
        run_id = await scenario.start(service)
        run = await until(service, run_id, "completed", limit=120)
        await service.settled()
        assert crashed == ["train", "gate"]
        assert run["model_version"] == f"{run_id}.2"
        assert len((await get(service, "/v1/models"))["items"]) == 1
    kinds = [kind for kind, _ in await scenario.told(scope)]
    assert kinds.count("model.trained") == kinds.count("model.published") == 1


async def test_a_crash_inside_the_last_transaction_leaves_neither_model_nor_publication(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was trained but never published can't be: both are one transaction."""
    release = asking.release
    crashed: list[str] = []

    async def crash_once(uow: Any, run: Any) -> None:
        await release(uow, run)
        if not crashed:
            crashed.append(run.run_id)
            raise RuntimeError("crashed between two lines")

    monkeypatch.setattr(asking, "release", crash_once)
    async with labeled(scope) as service:
        run_id = await scenario.start(service)
        await until(service, run_id, "completed", limit=120)
        await service.settled()
        assert crashed == [run_id]
    kinds = [kind for kind, _ in await scenario.told(scope)]
    assert kinds[-2:] == ["model.trained", "model.published"]
    assert len(kinds) == 4


async def test_without_anything_to_train_on_no_split_is_decided(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(configured(), *labels(4, holdout=4))
        await service.settled()
        run = await trained(service)
        assert (run["state"], run["failure"]["code"]) == ("failed", "nothing-to-train")
        assert await service.database["splits"].count_documents({}) == 0
        await publisher.publish(*(accepted(n, arm="assisted") for n in range(4, 9)))
        await service.settled()
        assert (await trained(service))["state"] == "completed"


async def test_a_stage_has_one_active_run_whoever_writes(scope: Scope) -> None:
    async with running(training(scope), scope) as service:
        runs = service.database["runs"]
        await runs.insert_one({"_id": "r1", "stage_id": STAGE_ID, "active": True})
        await runs.insert_one({"_id": "r2", "stage_id": STAGE_ID, "active": False})
        with pytest.raises(Exception, match="one_active_run_a_stage"):
            await runs.insert_one({"_id": "r3", "stage_id": STAGE_ID, "active": True})


async def test_lists_are_paged_newest_first(scope: Scope) -> None:
    async with labeled(scope) as service:
        ids = [(await trained(service, seed=seed))["run_id"] for seed in range(3)]
        first = await get(service, "/v1/runs?project=weeds&limit=2")
        rest = await get(service, f"/v1/runs?project=weeds&limit=2&cursor={first['next']}")
        assert [run["run_id"] for run in first["items"] + rest["items"]] == ids[::-1]
        assert rest["next"] is None
        assert (await get(service, "/v1/models?project=other"))["items"] == []
        versions = await get(service, "/v1/dataset-versions?project=weeds&stage=outline")
        assert len(versions["items"]) == 1, "the same content is the same version"
    kinds = [kind for kind, _ in await scenario.told(scope)]
    assert kinds.count("dataset.frozen") == 1


def _children_running(name: str) -> list[int]:
    """Processes of this test that run a script."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline") as file:
                command = file.read()
            with open(f"/proc/{entry}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if name in command and parent == os.getpid():
            found.append(int(entry))
    return found
