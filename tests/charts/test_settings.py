"""Every container's environment and secrets are what its service's own Settings read."""

import base64
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from charts.values import SERVICES, kinds_of

from tests.charts.rendering import INSTALLATIONS, STORES, Rendered, installation, render
from wakeline_process import ServiceSettings
from wakeline_process.service import SECRETS_DIR

SECRET = "mongodb://nowhere.invalid"
"""Stands for whatever a Secret holds: a DSN, a password, a key."""
KEY = base64.b64encode(bytes(32)).decode()
"""Stands for a key that is looked at when it is read."""

Reference = tuple[str, str]
"""Name of a Secret, and a key in it."""
Read = Callable[[Rendered, str], list[Any]]


@dataclass(frozen=True)
class Container:
    """A container of a service, as its settings see it."""

    what: str
    environment: dict[str, str]
    files: dict[str, Reference]
    """What lies in the folder of its secrets."""


def _containers(rendered: Rendered, service: str) -> Iterator[Container]:
    for what, pod in rendered.pods():
        for one in pod["spec"]["containers"]:
            environment = {each["name"]: each.get("value", "") for each in one["env"]}
            if any(name.startswith(f"WAKELINE_{service.upper()}_") for name in environment):
                yield Container(what, environment, _files(pod, one, environment[SECRETS_DIR]))


def _files(pod: dict[str, Any], container: dict[str, Any], folder: str) -> dict[str, Reference]:
    (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == folder]
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == mount["name"]]
    assert mount["readOnly"] is True
    assert volume["projected"]["defaultMode"] == 0o440
    return {
        item["path"]: (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """The settings of a service, as each of its containers reads them."""

    def settings(container: Container, service: str) -> ServiceSettings:
        for name in [name for name in os.environ if name.startswith("WAKELINE_")]:
            monkeypatch.delenv(name)
        for name, value in container.environment.items():
            # a file that is mounted there; here it is any file that is there
            monkeypatch.setenv(name, __file__ if name.endswith("_FILE") else value)
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for name in container.files:
            (folder / name).write_text(KEY if name == "WEBHOOKS__KEYS" else SECRET)
        monkeypatch.setenv(SECRETS_DIR, str(folder))
        found: ServiceSettings = import_module(f"wakeline_{service}.settings").Settings()
        return found

    return lambda rendered, service: [
        settings(container, service) for container in _containers(rendered, service)
    ]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", INSTALLATIONS)
def test_every_container_has_the_settings_its_service_reads(
    name: str, service: str, read: Read
) -> None:
    found = read(installation(name), service)
    assert len(found) >= 3  # a process, its migration and its check
    for settings in found:
        assert settings.http.host == "0.0.0.0"
        assert settings.http.port == 8080
        assert settings.mongo.database == f"wakeline_{service}"
        assert settings.services.keys() == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_sees_another_ones_credential(service: str) -> None:
    for container in _containers(installation("own-stores"), service):
        assert container.files, container.what
        for name, _ in container.files.values():
            assert name.startswith(f"wakeline-{service}-"), container.what


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_no_secret_is_in_an_environment(name: str) -> None:
    for what, pod in installation(name).pods():
        for container in pod["spec"]["containers"]:
            assert "envFrom" not in container, what
            assert not [one for one in container["env"] if "valueFrom" in one], what


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
    read: Read,
) -> None:
    rendered = render([STORES], {f"services.{service}.settings": values})
    for settings in read(rendered, service):
        assert {name: getattr(settings, name) for name in expected} == expected


def test_a_setting_in_a_group_arrives_as_it_was_given(read: Read) -> None:
    values = {"uploads": {"maxBytes": 1 << 40, "publicEndpoint": "s3.example.org"}}
    rendered = render([STORES], {"services.ingest.settings": values})
    for settings in read(rendered, "ingest"):
        assert settings.uploads.max_bytes == 1 << 40
        assert settings.uploads.public_endpoint == "s3.example.org"


@pytest.mark.parametrize(
    ("serve", "run", "expected"),
    [
        ("4Gi", "20Gi", 4 << 30),
        ("20Gi", "1.5G", 1_500_000_000),
        ("512Mi", 1 << 30, 512 << 20),
        (400_000_000, "1Ti", 400_000_000),
    ],
)
def test_ingest_takes_no_more_than_its_smallest_disk_holds(
    serve: Any, run: Any, expected: int, read: Read
) -> None:
    values = {"services.ingest.serve.scratch": serve, "services.ingest.run.scratch": run}
    for settings in read(render([STORES], values), "ingest"):
        assert settings.scratch_bytes == expected - expected // 16


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_what_ingest_takes_fits_into_every_process_that_holds_files(name: str, read: Read) -> None:
    rendered = installation(name)
    disks = [
        volume["emptyDir"]["sizeLimit"]
        for one in rendered.of("Deployment")
        for volume in one["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "tmp"
        and one["metadata"]["labels"]["app.kubernetes.io/component"] == "ingest"
        and one["metadata"]["labels"]["wakeline.io/process"] != "relay"
    ]
    assert set(disks) == {"4Gi"}
    (room,) = {settings.scratch_bytes for settings in read(rendered, "ingest")}
    assert room == (4 << 30) - (4 << 30) // 16


def test_the_processes_are_those_that_the_services_have() -> None:
    def rendered(name: str) -> set[tuple[str, str]]:
        labels = [one["metadata"]["labels"] for one in installation(name).of("Deployment")]
        return {(one["app.kubernetes.io/component"], one["wakeline.io/process"]) for one in labels}

    kinds = {(service, kind) for service in SERVICES for kind in kinds_of(service)}
    assert rendered("own-stores") == {one for one in kinds if one[1] != "all"}
    assert rendered("trial") == {one for one in kinds if one[1] == "all"}


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_trainers_are_jobs_of_the_runner_with_trainings_own_key(name: str, read: Read) -> None:
    rendered = installation(name)
    launch = read(rendered, "training")[0].trainer.launch
    assert launch.kind == "job"
    assert rendered.named("Deployment", launch.owner)
    assert rendered.named("ServiceAccount", launch.service_account)
    assert rendered.named("PriorityClass", launch.priority_class)["preemptionPolicy"] == "Never"
    (container, *_) = _containers(rendered, "training")
    assert container.files["BLOBS__ACCESS_KEY"] == (launch.store_secret, launch.store_access_key)
    assert container.files["BLOBS__SECRET_KEY"] == (launch.store_secret, launch.store_secret_key)


def test_trainers_may_have_a_key_of_their_own(read: Read) -> None:
    own = {"name": "trainers", "accessKeyKey": "id", "secretKeyKey": "key"}
    rendered = render([STORES], {"trainer.secret": own})
    launch = read(rendered, "training")[0].trainer.launch
    assert (launch.store_secret, launch.store_access_key, launch.store_secret_key) == (
        *("trainers", "id", "key"),
    )
    for container in _containers(rendered, "training"):
        assert "trainers" not in {name for name, _ in container.files.values()}, container.what


def test_a_trainers_pod_is_what_the_network_policies_select(
    read: Read,
) -> None:
    launch = read(installation("own-stores"), "training")[0].trainer.launch
    assert launch.labels == {
        "app.kubernetes.io/name": "wakeline",
        "app.kubernetes.io/instance": "acme",
        "app.kubernetes.io/component": "training",
        "wakeline.io/process": "trainer",
    }


def test_a_trainer_gets_the_gpu_that_the_values_ask_for(read: Read) -> None:
    launch = read(installation("operators"), "training")[0].trainer.launch
    assert launch.resources.limits["nvidia.com/gpu"] == "1"
    assert launch.node_selector == {"nvidia.com/gpu.present": "true"}
    assert [one["key"] for one in launch.tolerations] == ["nvidia.com/gpu"]
    assert launch.shared_memory == "4Gi"
    assert launch.image == "registry.example.org/mirror/wakeline-trainer:0.1.0"
    assert launch.pull_secrets == ("registry-credential",)


def test_without_a_user_or_with_a_whole_address_no_secret_is_asked_for(
    read: Read,
) -> None:
    values = {
        "kafka.securityProtocol": "PLAINTEXT",
        "mongodb.dsn": "mongodb://mongo.example.org/?replicaSet=rs0",
    }
    rendered = render([STORES], values)
    assert _references(rendered, "review") == {"wakeline-review-s3"}
    settings = read(rendered, "review")[0]
    assert settings.kafka.username is None
    assert settings.mongo.dsn.get_secret_value() == values["mongodb.dsn"]


def test_a_certificate_takes_the_place_of_a_password(read: Read) -> None:
    rendered = installation("large")
    (container, *_) = _containers(rendered, "review")
    files = {f"{container.environment[SECRETS_DIR]}/{name}" for name in container.files}
    for setting, key in (("CERT_FILE", "user.crt"), ("KEY_FILE", "user.key")):
        path = container.environment[f"WAKELINE_REVIEW_KAFKA__{setting}"]
        assert path in files
        assert container.files[path.rpartition("/")[2]] == ("wakeline-review", key)
    assert "KAFKA__PASSWORD" not in container.files
    for settings in read(rendered, "review"):
        assert settings.kafka.username is None


def test_user_and_password_of_mongodb_may_stand_beside_its_address(
    read: Read,
) -> None:
    values = {
        "mongodb.dsn": "mongodb://mongo.example.org/?replicaSet=rs0",
        "mongodb.secret.usernameKey": "username",
        "mongodb.secret.passwordKey": "password",
    }
    rendered = render([STORES], values)
    assert "wakeline-review-mongodb" in _references(rendered, "review")
    settings = read(rendered, "review")[0]
    assert settings.mongo.dsn.get_secret_value() == values["mongodb.dsn"]
    assert settings.mongo.username == SECRET


@pytest.mark.parametrize(
    ("files", "secret"),
    [((STORES,), "wakeline-lineage-webhooks"), (INSTALLATIONS["trial"], "acme-wakeline-trial")],
)
def test_the_key_of_webhooks_comes_from_a_secret_where_receivers_are_named(
    files: tuple[Path, ...], secret: str, read: Read
) -> None:
    receivers = {
        "services.lineage.settings.webhooks": {"receivers": ["hooks.invalid:443"]},
        "networkPolicy.enabled": False,
    }
    rendered = render(files, receivers)
    for settings in read(rendered, "lineage"):
        assert settings.webhooks.keys.get_secret_value() == KEY
    asked = {
        (one.what, one.files.get("WEBHOOKS__KEYS")) for one in _containers(rendered, "lineage")
    }
    assert {reference and reference[0] for _, reference in asked} == {secret}
    for service in SERVICES:
        without = _containers(rendered if service != "lineage" else render(files), service)
        assert not [one.what for one in without if "WEBHOOKS__KEYS" in one.files]
    for held in rendered.of("Secret"):
        assert len(base64.b64decode(held["stringData"]["lineage-webhooks-keys"])) == 32


def test_roles_of_an_identity_provider_are_translated(read: Read) -> None:
    values = {
        "auth.rolesClaim": "realm_access.roles",
        "auth.roles": {"ml-labelers": "labeler", "ml-leads": "manager"},
    }
    rendered = render([STORES], values)
    auth = read(rendered, "review")[0].auth
    assert auth.roles_claim == "realm_access.roles"
    assert auth.roles == {"ml-labelers": "labeler", "ml-leads": "manager"}


def test_where_the_cluster_gives_numbers_the_chart_gives_none(
    read: Read,
) -> None:
    numbers = dict.fromkeys(
        (f"podSecurityContext.{name}" for name in ("runAsUser", "runAsGroup", "fsGroup")), None
    )
    rendered = render([STORES], numbers)
    for what, pod in rendered.pods():
        assert pod["spec"]["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}, what
    assert read(rendered, "training")[0].trainer.launch.user is None


def _references(rendered: Rendered, service: str) -> set[str]:
    return {
        name for container in _containers(rendered, service) for name, _ in container.files.values()
    }
