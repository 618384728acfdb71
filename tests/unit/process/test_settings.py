"""Where a service's settings come from, and which of them make no sense."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from wakeline_messaging import KafkaSettings
from wakeline_review.settings import Settings

ENVIRONMENT = {
    "MONGO__DSN": "mongodb://mongo/?replicaSet=rs0",
    "MONGO__DATABASE": "wakeline_review",
    "KAFKA__BOOTSTRAP": "kafka:9094",
    "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA__USERNAME": "wakeline-review",
    "KAFKA__PASSWORD": "of the environment",
    "BLOBS__ENDPOINT": "s3.example.org",
    "BLOBS__ACCESS_KEY": "review",
    "BLOBS__SECRET_KEY": "of the environment",
    "AUTH__ISSUER": "https://id.example.org",
    "AUTH__JWKS_URL": "https://id.example.org/certs",
    "HTTP__PORT": "8080",
}
SECRET = ("MONGO__PASSWORD", "KAFKA__PASSWORD", "BLOBS__SECRET_KEY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"WAKELINE_REVIEW_{name}", value)


def mounted(folder: Path, **files: str) -> Path:
    """A Secret as Kubernetes mounts it: links through ``..data`` to a folder of one version."""
    version = folder / "..2026_11_25"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, content in files.items():
        (version / name).write_text(content)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_secrets_are_read_from_a_mounted_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRET[1:]:
        monkeypatch.delenv(f"WAKELINE_REVIEW_{name}")
    files = dict.fromkeys(SECRET, "of the folder\n") | {"sasl.jaas.config": "somebody else's"}
    monkeypatch.setenv("WAKELINE_SECRETS_DIR", str(mounted(tmp_path / "secrets", **files)))
    settings = Settings()
    for found in (
        settings.mongo.password,
        settings.kafka.password,
        settings.blobs.secret_key,
    ):
        assert isinstance(found, SecretStr)
        assert found.get_secret_value() == "of the folder"
    assert settings.kafka.username == "wakeline-review"


def test_the_environment_goes_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mounted(tmp_path / "secrets", BLOBS__SECRET_KEY="of the folder")
    monkeypatch.setenv("WAKELINE_SECRETS_DIR", str(folder))
    assert Settings().blobs.secret_key.get_secret_value() == "of the environment"


def test_a_folder_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKELINE_SECRETS_DIR", "/nowhere/at/all")
    with pytest.raises(SettingsError, match="/nowhere/at/all"):
        Settings()


def test_a_misspelt_name_is_told_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKELINE_REVIEW_MONGO__PASWORD", "hunter2")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "mongo.pasword" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"security_protocol": "SASL_SSL"}, "goes with a username and a password"),
        ({"security_protocol": "SSL", "username": "u", "password": "p"}, "without a username"),
        ({"username": "u", "password": "p"}, "PLAINTEXT goes without a username"),
        ({"ca_file": __file__}, "PLAINTEXT goes without certificates"),
        ({"security_protocol": "SSL", "cert_file": __file__}, "go together"),
        ({"security_protocol": "SSL", "ca_file": "/nowhere"}, "not point to a file"),
        ({"security_protocol": "sasl_ssl"}, "'SASL_SSL'"),
    ],
)
def test_kafka_settings_that_cannot_be_meant_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        KafkaSettings.model_validate({"bootstrap": "kafka:9092", **given})
