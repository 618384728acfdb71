"""Every container's environment is what its service's own Settings read."""

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from charts.values import SERVICES, kinds_of

from tests.charts.rendering import INSTALLATIONS, STORES, Rendered, installation, render
from wakeline_process import ServiceSettings

SECRET = "mongodb://nowhere.invalid"
"""Stands for whatever a Secret holds: a DSN, a password, a key."""


def _environments(rendered: Rendered, service: str) -> Iterator[dict[str, str]]:
    prefix = f"WAKELINE_{service.upper()}_"
    for _, pod in rendered.pods():
        for container in pod["spec"]["containers"]:
            if any(one["name"].startswith(prefix) for one in container["env"]):
                yield {one["name"]: one.get("value", SECRET) for one in container["env"]}


def _read(
    monkeypatch: pytest.MonkeyPatch, service: str, environment: dict[str, str]
) -> ServiceSettings:
    for name in [name for name in os.environ if name.startswith("WAKELINE_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        # a file that is mounted there; here it is any file that is there
        monkeypatch.setenv(name, __file__ if name.endswith("_FILE") else value)
    settings: ServiceSettings = import_module(f"wakeline_{service}.settings").Settings()
    return settings


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", INSTALLATIONS)
def test_every_container_has_the_settings_its_service_reads(
    name: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = installation(name)
    found = list(_environments(rendered, service))
    assert len(found) >= 3  # a process, its migration and its check
    for environment in found:
        settings = _read(monkeypatch, service, environment)
        assert settings.http.host == "0.0.0.0"
        assert settings.http.port == 8080
        assert settings.mongo.database == f"wakeline_{service}"
        assert settings.services.keys() == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_sees_another_ones_credential(service: str) -> None:
    mine = f"wakeline-{service}-"
    for what, pod in installation("own-stores").pods():
        for container in pod["spec"]["containers"]:
            names = [one["name"] for one in container["env"]]
            if not names[0].startswith(f"WAKELINE_{service.upper()}_"):
                continue
            secrets = [
                one["valueFrom"]["secretKeyRef"]["name"]
                for one in container["env"]
                if "valueFrom" in one
            ]
            assert secrets, what
            assert all(secret.startswith(mine) for secret in secrets), what


def test_nothing_secret_stands_in_an_object_but_in_the_trials_secret() -> None:
    for name in INSTALLATIONS:
        for one in installation(name).objects:
            assert one["kind"] != "Secret" or one["metadata"]["name"] == "acme-wakeline-trial"


@pytest.mark.parametrize(
    ("service", "values", "expected"),
    [
        ("ingest", {"maxFileBytes": 17179869184}, {"max_file_bytes": 17179869184}),
        ("ingest", {"refuseWrongExtensions": False}, {"refuse_wrong_extensions": False}),
        ("ingest", {"sourceBuckets": ["a-*", "b"]}, {"source_buckets": ("a-*", "b")}),
        ("prediction", {"repredicted": 0}, {"repredicted": 0}),
    ],
    ids=str,
)
def test_a_services_own_setting_arrives_as_it_was_given(
    service: str,
    values: dict[str, Any],
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered = render([STORES], {f"services.{service}.settings": values})
    for environment in _environments(rendered, service):
        settings = _read(monkeypatch, service, environment)
        assert {name: getattr(settings, name) for name in expected} == expected


def test_a_setting_in_a_group_arrives_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"uploads": {"maxBytes": 1 << 40, "publicEndpoint": "s3.example.org"}}
    rendered = render([STORES], {"services.ingest.settings": values})
    for environment in _environments(rendered, "ingest"):
        uploads: Any = _read(monkeypatch, "ingest", environment)
        assert uploads.uploads.max_bytes == 1 << 40
        assert uploads.uploads.public_endpoint == "s3.example.org"


def test_the_processes_are_those_that_the_services_have() -> None:
    def rendered(name: str) -> set[tuple[str, str]]:
        labels = [one["metadata"]["labels"] for one in installation(name).of("Deployment")]
        return {(one["app.kubernetes.io/component"], one["wakeline.io/process"]) for one in labels}

    kinds = {(service, kind) for service in SERVICES for kind in kinds_of(service)}
    assert rendered("own-stores") == {one for one in kinds if one[1] != "all"}
    assert rendered("trial") == {one for one in kinds if one[1] == "all"}


def _launch(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings: Any = _read(monkeypatch, "training", next(_environments(rendered, "training")))
    return settings.trainer.launch


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_trainers_are_jobs_of_the_runner_with_trainings_own_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = installation(name)
    launch = _launch(rendered, monkeypatch)
    assert launch.kind == "job"
    assert rendered.named("Deployment", launch.owner)
    assert rendered.named("ServiceAccount", launch.service_account)
    assert rendered.named("PriorityClass", launch.priority_class)["preemptionPolicy"] == "Never"
    env = rendered.named("Deployment", launch.owner)["spec"]["template"]["spec"]["containers"][0]
    references = [one["valueFrom"]["secretKeyRef"] for one in env["env"] if "valueFrom" in one]
    for key in (launch.store_access_key, launch.store_secret_key):
        assert {"name": launch.store_secret, "key": key} in references


def test_a_trainers_pod_is_what_the_network_policies_select(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launch = _launch(installation("own-stores"), monkeypatch)
    assert launch.labels == {
        "app.kubernetes.io/name": "wakeline",
        "app.kubernetes.io/instance": "acme",
        "app.kubernetes.io/component": "training",
        "wakeline.io/process": "trainer",
    }


def test_a_trainer_gets_the_gpu_that_the_values_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    launch = _launch(installation("operators"), monkeypatch)
    assert launch.resources.limits["nvidia.com/gpu"] == "1"
    assert launch.node_selector == {"nvidia.com/gpu.present": "true"}
    assert [one["key"] for one in launch.tolerations] == ["nvidia.com/gpu"]
    assert launch.shared_memory == "4Gi"
    assert launch.image == "registry.example.org/mirror/wakeline-trainer:0.1.0"
    assert launch.pull_secrets == ("registry-credential",)


def test_without_a_user_or_with_a_whole_address_no_secret_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {
        "kafka.securityProtocol": "PLAINTEXT",
        "kafka.username": "",
        "mongodb.dsn": "mongodb://mongo.example.org/?replicaSet=rs0",
    }
    rendered = render([STORES], values)
    assert _references(rendered, "review") == {"wakeline-review-s3"}
    settings = _read(monkeypatch, "review", next(_environments(rendered, "review")))
    assert settings.kafka.username is None
    assert settings.mongo.dsn.get_secret_value() == values["mongodb.dsn"]


def test_user_and_password_of_mongodb_may_stand_beside_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {
        "mongodb.dsn": "mongodb://mongo.example.org/?replicaSet=rs0",
        "mongodb.secret.usernameKey": "username",
        "mongodb.secret.passwordKey": "password",
    }
    rendered = render([STORES], values)
    assert "wakeline-review-mongodb" in _references(rendered, "review")
    settings = _read(monkeypatch, "review", next(_environments(rendered, "review")))
    assert settings.mongo.dsn.get_secret_value() == values["mongodb.dsn"]
    assert settings.mongo.username == SECRET


def test_roles_of_an_identity_provider_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "auth.rolesClaim": "realm_access.roles",
        "auth.roles": {"ml-labelers": "labeler", "ml-leads": "manager"},
    }
    rendered = render([STORES], values)
    auth = _read(monkeypatch, "review", next(_environments(rendered, "review"))).auth
    assert auth.roles_claim == "realm_access.roles"
    assert auth.roles == {"ml-labelers": "labeler", "ml-leads": "manager"}


def test_where_the_cluster_gives_numbers_the_chart_gives_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = dict.fromkeys(
        (f"podSecurityContext.{name}" for name in ("runAsUser", "runAsGroup", "fsGroup")), None
    )
    rendered = render([STORES], numbers)
    for what, pod in rendered.pods():
        assert pod["spec"]["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}, what
    assert _launch(rendered, monkeypatch).user is None


def _references(rendered: Rendered, service: str) -> set[str]:
    return {
        one["valueFrom"]["secretKeyRef"]["name"]
        for deployment in rendered.of("Deployment")
        for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        if "valueFrom" in one
        and deployment["metadata"]["labels"]["app.kubernetes.io/component"] == service
    }
