"""What a trainer's Job asks of the cluster, and what it never says."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wakeline_training.launching.manifest import (
    is_later,
    job_manifest,
    job_name,
    owner_reference,
    selector,
    stage_label,
)
from wakeline_training.ports import Order
from wakeline_training.settings import JobLaunch, Settings, TrainerSettings

RUN_ID = "9f" * 12
ENVIRONMENT = {
    "WAKELINE_RUN_ID": RUN_ID,
    "WAKELINE_PARAMETERS": '{"kind": "boxes"}',
    "WAKELINE_S3__ENDPOINT": "store:9000",
    "WAKELINE_S3__ACCESS_KEY": "the-key",
    "WAKELINE_S3__SECRET_KEY": "the-secret",
    "WAKELINE_S3__CA_FILE": "/where/it/lies/for/training.crt",
}


def order(attempt: int = 1) -> Order:
    return Order(RUN_ID, 7, attempt, "weeds/outline", ENVIRONMENT, timedelta(seconds=570))


def launch(**own: Any) -> JobLaunch:
    return JobLaunch(**{"image": "trainer:1", "store_secret": "wakeline-trainer", **own})


def manifest(attempt: int = 1, command: tuple[str, ...] | None = None, **own: Any) -> Any:
    chosen = launch(**own)
    settings = TrainerSettings(launch=chosen, command=command, threads=3)
    return job_manifest(order(attempt), settings, chosen, "token", None)


def pod(**own: Any) -> Any:
    return manifest(**own)["spec"]["template"]["spec"]


def container(**own: Any) -> Any:
    (only,) = pod(**own)["containers"]
    return only


def test_the_name_follows_from_run_and_attempt() -> None:
    names = [manifest(attempt)["metadata"]["name"] for attempt in (1, 1, 2)]
    assert names == [f"wakeline-trainer-{RUN_ID}-{n}" for n in (1, 1, 2)]
    assert len(job_name(launch(name_prefix="p" * 30), order(999))) <= 63


def test_kubernetes_never_begins_a_second_pod_and_ends_one_that_nobody_follows() -> None:
    spec = manifest(patience=timedelta(hours=1), kept=timedelta(hours=2))["spec"]
    assert (spec["backoffLimit"], spec["parallelism"], spec["completions"]) == (0, 1, 1)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["activeDeadlineSeconds"] == 570
    assert spec["activeDeadlineSeconds"] == 3_600 + 570 + 12
    assert spec["ttlSecondsAfterFinished"] == 7_200


def test_the_pod_fits_the_restricted_standard_and_has_no_token() -> None:
    made = pod()
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = made["containers"][0]["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert made["automountServiceAccountToken"] is False
    assert made["enableServiceLinks"] is False
    mounts = {mount["mountPath"] for mount in made["containers"][0]["volumeMounts"]}
    assert mounts == {"/work", "/tmp"}
    assert all("emptyDir" in volume for volume in made["volumes"])


def test_the_credential_is_named_but_never_spelled_out() -> None:
    made = manifest(store_secret="s3", store_access_key="id", store_secret_key="key")
    assert "the-key" not in json.dumps(made)
    assert "the-secret" not in json.dumps(made)
    told = made["spec"]["template"]["spec"]["containers"][0]["env"]
    variables = {variable["name"]: variable for variable in told}
    assert len(variables) == len(told)
    assert variables["WAKELINE_S3__ENDPOINT"]["value"] == "store:9000"
    assert variables["WAKELINE_S3__SECRET_KEY"] == {
        "name": "WAKELINE_S3__SECRET_KEY",
        "valueFrom": {"secretKeyRef": {"name": "s3", "key": "key"}},
    }


def test_the_trainer_gets_the_contracts_variables_and_what_its_platform_needs() -> None:
    told = {variable["name"] for variable in container()["env"]}
    given = set(ENVIRONMENT) - {"WAKELINE_S3__CA_FILE"}  # a path of another pod
    assert told >= given
    assert told - given == {
        "HOME", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    }  # fmt: skip
    assert {"name": "OMP_NUM_THREADS", "value": "3"} in container()["env"]


def test_without_a_command_the_image_says_what_it_starts() -> None:
    assert "command" not in container()
    assert container(command=("train", "--fast"))["command"] == ["train", "--fast"]


def test_where_it_runs_is_up_to_the_settings() -> None:
    made = pod(
        resources={"limits": {"nvidia.com/gpu": "1"}},
        node_selector={"gpu": "a100"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        priority_class="low",
        runtime_class="nvidia",
        service_account="trainer",
        pull_secrets=["registry"],
        user=10_001,
        shared_memory="1Gi",
        ca_config_map="authority",
    )
    assert made["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert made["nodeSelector"] == {"gpu": "a100"}
    assert made["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert made["affinity"] == {"nodeAffinity": {}}
    assert (made["priorityClassName"], made["runtimeClassName"]) == ("low", "nvidia")
    assert made["serviceAccountName"] == "trainer"
    assert made["imagePullSecrets"] == [{"name": "registry"}]
    assert made["securityContext"]["runAsUser"] == made["securityContext"]["fsGroup"] == 10_001
    mounts = {mount["mountPath"] for mount in made["containers"][0]["volumeMounts"]}
    assert {"/dev/shm", "/etc/wakeline/authority"} < mounts
    told = {variable["name"]: variable.get("value") for variable in made["containers"][0]["env"]}
    assert told["SSL_CERT_FILE"] == "/etc/wakeline/authority/ca.crt"
    assert told["WAKELINE_S3__CA_FILE"] == "/etc/wakeline/authority/ca.crt"
    assert "/where/it/lies/for/training.crt" not in str(pod()), "a path of another pod"


def test_what_nobody_set_is_not_sent() -> None:
    assert set(pod()) == {
        "restartPolicy", "activeDeadlineSeconds", "terminationGracePeriodSeconds",
        "automountServiceAccountToken", "enableServiceLinks", "securityContext", "containers",
        "volumes",
    }  # fmt: skip


def test_a_job_is_found_by_its_labels_and_those_of_the_settings_cannot_replace_them() -> None:
    made = manifest(labels={"team": "vision", "wakeline/run": "another"})
    for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
        assert labels["team"] == "vision"
        for wanted in (
            selector(launch(), run=RUN_ID),
            selector(launch(), stage=stage_label("weeds/outline")),
        ):
            assert dict(pair.split("=") for pair in wanted.split(",")).items() <= labels.items()
    assert selector(launch(), run="r") != selector(launch(name_prefix="other"), run="r")


def test_the_owner_takes_the_job_along_without_holding_it_up() -> None:
    deployment = {"metadata": {"name": "training-run", "uid": "u1"}}
    chosen = launch()
    settings = TrainerSettings(launch=chosen)
    made = job_manifest(order(), settings, chosen, "token", owner_reference(deployment))
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "training-run", "u1")
    assert owner["blockOwnerDeletion"] is False


@given(st.text(min_size=1))
def test_any_stage_gives_a_label(stage: str) -> None:
    assert len(stage_label(stage)) == 24
    assert stage_label(stage).isalnum()


def test_settings_choose_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {
        "LAUNCH__KIND": "job",
        "LAUNCH__IMAGE": "trainer:1",
        "LAUNCH__STORE_SECRET": "s3",
        "LAUNCH__RESOURCES": '{"limits": {"nvidia.com/gpu": "1"}}',
        "LAUNCH__TOLERATIONS": '[{"key": "gpu"}]',
        "LAUNCH__PATIENCE": "PT10M",
        "COMMAND": '["train"]',
    }
    for name, value in own.items():
        monkeypatch.setenv(f"WAKELINE_TRAINING_TRAINER__{name}", value)
    with pytest.raises(ValidationError) as refused:
        Settings()  # type: ignore[call-arg]
    assert not [e for e in refused.value.errors() if e["loc"][0] == "trainer"]
    monkeypatch.delenv("WAKELINE_TRAINING_TRAINER__LAUNCH__STORE_SECRET")
    with pytest.raises(ValidationError, match="store_secret"):
        Settings()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "wrong",
    [
        {"resources": {"limits": {"memory": "much"}}},
        {"name_prefix": "Upper"},
        {"name_prefix": "p" * 31},
        {"user": 0},
        {"imag": "x"},
    ],
    ids=str,
)
def test_settings_that_no_cluster_would_take_stop_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        launch(**wrong)


@pytest.mark.parametrize(
    ("number", "attempt", "later"), [(7, 2, True), (8, 1, True), (7, 1, False), (6, 9, False)]
)
def test_a_later_run_or_attempt_is_told_from_an_earlier_one(
    number: int, attempt: int, later: bool
) -> None:
    labels = {"wakeline/number": str(number), "wakeline/attempt": str(attempt)}
    assert is_later({"metadata": {"labels": labels}}, order(1)) is later
