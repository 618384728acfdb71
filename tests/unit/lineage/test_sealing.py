"""Secrets as they are stored, and what is said of keys that are missing or wrong."""

import base64

import pytest
from pydantic import ValidationError

from wakeline_lineage.domain.webhooks import secret_of
from wakeline_lineage.sealing import Seal, SealedSecretError
from wakeline_lineage.settings import WebhookSettings

SECRET = secret_of(bytes(range(32)))
OLD, NEW = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (250, 251))


def test_what_is_stored_says_nothing_without_the_key() -> None:
    stored = Seal(OLD).close(SECRET)
    assert SECRET not in stored
    assert base64.b64decode(SECRET.removeprefix("whsec_")) not in base64.urlsafe_b64decode(stored)
    assert Seal(OLD).open(stored) == SECRET
    for other in (Seal(NEW), Seal()):
        with pytest.raises(SealedSecretError, match="WEBHOOKS__KEYS"):
            other.open(stored)


def test_a_new_key_goes_in_front_and_the_old_one_goes_once_all_is_renewed() -> None:
    stored = Seal(OLD).close(SECRET)
    both = Seal(f"{NEW}, {OLD}\n")
    assert both.open(stored) == SECRET
    renewed = both.renewed(stored)
    assert renewed is not None
    assert Seal(NEW).open(renewed) == SECRET
    assert both.renewed(renewed) is None


def test_a_secret_of_before_there_were_keys_is_read_and_then_sealed() -> None:
    assert Seal(NEW).open(SECRET) == SECRET == Seal().open(SECRET)
    renewed = Seal(NEW).renewed(SECRET)
    assert renewed is not None
    assert Seal(NEW).open(renewed) == SECRET
    with pytest.raises(SealedSecretError, match="names no key"):
        Seal().renewed(SECRET)


def test_receivers_without_a_key_stop_the_start_and_say_what_to_do() -> None:
    with pytest.raises(ValidationError, match="openssl rand -base64 32"):
        WebhookSettings(receivers=("hooks.invalid:443",))
    assert WebhookSettings().keys.get_secret_value() == ""


def test_a_wrong_key_stops_the_start_and_is_not_printed() -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookSettings.model_validate({"keys": f"{OLD} hunter2"})
    assert "key 2 is no key" in str(refused.value)
    assert "hunter2" not in str(refused.value)
