"""What a data folder keeps, and for whose eyes."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from wakeline_auth import AuthSettings, Role, Verifier
from wakeline_blobs import BlobSettings
from wakeline_embedded import access, credentials, documents, identities, services
from wakeline_embedded.backup import KEPT
from wakeline_embedded.external import parse_store, without_credentials
from wakeline_embedded.layout import Layout, Options, Ports
from wakeline_embedded.logs import Follower, last_lines, rotate
from wakeline_embedded.services import Surroundings
from wakeline_embedded.state import AlreadyRunningError, sole_supervisor
from wakeline_lineage.sealing import Seal
from wakeline_process import ServiceSettings, service_config


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.prepared(tmp_path / "stack")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_secrets_are_for_their_owner_only_and_stay_the_same(layout: Layout) -> None:
    first = credentials.kept(layout, ["ingest", "review"])
    assert credentials.kept(layout, ["ingest", "training", "review"]).items() >= first.items()
    access.write_client(layout, "http://127.0.0.1:1")
    assert mode(layout.root) == 0o700
    for secret in (layout.secrets, layout.issuer_key, layout.client):
        assert mode(secret) == 0o600
    keys = {one.access for one in first.values()} | {one.secret for one in first.values()}
    assert len(keys) == 2 * len(first)


def test_a_document_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    documents.write(path, {"a": 1})
    with pytest.raises(TypeError):
        documents.write(path, {"a": object()})
    assert documents.read(path) == {"a": 1}


def test_options_are_remembered(layout: Layout) -> None:
    assert Options.load(layout) == Options()
    Options(split=True, kafka="k:1").save(layout)
    assert Options.load(layout) == Options(split=True, kafka="k:1")


def test_two_supervisors_never_hold_one_folder(layout: Layout) -> None:
    with sole_supervisor(layout), pytest.raises(AlreadyRunningError), sole_supervisor(layout):
        pass
    with sole_supervisor(layout):
        pass


def test_training_may_write_models_and_read_none() -> None:
    actions = identities.actions_of("training")
    assert "Write:models" in actions
    assert "Read:models" not in actions
    assert "Write:assets" not in actions


def test_a_wildcard_prefix_names_buckets_and_what_is_in_them() -> None:
    actions = identities.actions_of("ingest", prefix="t?-")
    assert {"Read:t?-assets", "Read:t?-assets/*", "Write:t?-assets/*"} <= set(actions)
    assert "Read:t?-*" not in actions


def test_a_minted_token_is_accepted_with_the_folders_public_key(layout: Layout) -> None:
    issuer = access.prepare_issuer(layout)
    token = issuer.mint("p-1", [Role.LABELER], "t-1")
    settings = AuthSettings(issuer=issuer.issuer, jwks_file=layout.jwks)
    principal = Verifier(settings).verify(token)
    assert (principal.person_id, principal.team_id) == ("p-1", "t-1")
    assert principal.roles == {Role.LABELER}


def test_a_service_accepts_the_settings_it_is_given(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = BlobSettings(endpoint="127.0.0.1:5", access_key="a", secret_key=SecretStr("s"))
    around = Surroundings(layout, Ports(20_000), "127.0.0.1:6", "mongodb://m", {"review": blobs})
    for name, value in services.environment(around, "review", "consume").items():
        monkeypatch.setenv(name, value)

    class Settings(ServiceSettings):
        model_config = service_config("review")

    settings = Settings()
    assert settings.mongo.dsn.get_secret_value() == "mongodb://m"
    assert settings.mongo.database == "wakeline_review"
    assert settings.kafka.bootstrap == "127.0.0.1:6"
    assert settings.blobs == blobs
    assert settings.auth.jwks_file == layout.jwks
    assert settings.http.port == Ports(20_000).process("review", "consume")
    assert settings.telemetry.spans_file == layout.spans("review-consume")


def test_the_key_of_webhooks_is_the_stacks_own_and_stays_the_same(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = BlobSettings(endpoint="127.0.0.1:5", access_key="a", secret_key=SecretStr("s"))
    around = Surroundings(layout, Ports(20_000), "127.0.0.1:6", "mongodb://m", {"lineage": blobs})
    first = services.environment(around, "lineage", "all")[services.KEYS_SETTING]
    assert services.environment(around, "lineage", "run")[services.KEYS_SETTING] == first
    assert Seal(first).open(Seal(first).close("s")) == "s"
    assert mode(layout.sealing_key) == 0o600
    assert layout.sealing_key.name in KEPT
    monkeypatch.setenv(services.KEYS_SETTING, "of the operator's own")
    assert services.KEYS_SETTING not in services.environment(around, "lineage", "all")


def test_the_address_of_a_store_holds_its_credential() -> None:
    address = parse_store("http://key:se%2Fcret@127.0.0.1:19000")
    assert (address.endpoint, address.secure) == ("127.0.0.1:19000", False)
    assert (address.access_key, address.secret_key) == ("key", "se/cret")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "key:secret@127.0.0.1:1", ""])
def test_the_address_of_a_store_without_a_credential_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="KEY:SECRET"):
        parse_store(url)


def test_status_shows_no_password_of_a_dsn() -> None:
    assert without_credentials("mongodb://u:p@h:1/?replicaSet=r") == "h:1/?replicaSet=r"


def test_a_log_that_grew_is_put_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "mongod.log"
    with log.open("ab", buffering=0) as writer:
        for turn in range(5):
            writer.write(b"%d" % turn * 100)
            rotate(tmp_path, largest=50)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["mongod.log", "mongod.log.1", "mongod.log.2", "mongod.log.3"]
    assert (tmp_path / "mongod.log.1").read_bytes() == b"4" * 100


def test_following_a_log_gives_whole_new_lines_also_after_rotation(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n")
    follower = Follower(log)
    with log.open("a") as writer:
        writer.write("one\ntw")
        writer.flush()
        assert follower.new_lines() == ["one"]
        writer.write("o\n")
        writer.flush()
        assert follower.new_lines() == ["two"]
    os.truncate(log, 0)
    log.write_text("x\n")
    assert follower.new_lines() == ["x"]


def test_the_last_lines_of_a_log_come_oldest_first(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{n}\n" for n in range(1000)))
    assert last_lines(log, 2) == ["998", "999"]
    assert last_lines(tmp_path / "none.log", 2) == []
