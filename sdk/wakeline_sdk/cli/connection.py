"""Which platform to talk to, and as whom."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Given(NamedTuple):
    """What was said on the command line."""

    url: str | None = None
    token: str | None = None


class Address(NamedTuple):
    """A platform and who we are to it."""

    url: str
    token: str


class NoAddressError(Exception):
    """It is not clear which platform, or as whom; the message says what to give."""


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where ``wakeline up`` keeps a stack: $WAKELINE_HOME, else ``.wakeline``."""
    return Path(environment.get("WAKELINE_HOME") or ".wakeline")


def address_of(given: Given, environment: Mapping[str, str] = os.environ) -> Address:
    """The platform to talk to: as given, else of the environment, else the one ``up`` started.

    The owner's token that ``up`` left behind goes to its own stack only, never to another URL.

    Raises
    ------
    NoAddressError
        If URL or token are missing or unusable.
    """
    url = given.url or environment.get("WAKELINE_URL")
    token = given.token or environment.get("WAKELINE_TOKEN")
    local = _local(data_folder(environment) / "client.json")
    if local is not None:
        url = url or local.url
        if token is None and url.rstrip("/") == local.url.rstrip("/"):
            token = local.token
    if url is None:
        raise NoAddressError(
            "no platform is named: `wakeline up` starts one here, or give --url and --token "
            "(WAKELINE_URL, WAKELINE_TOKEN)"
        )
    if not url.startswith(("http://", "https://")):
        raise NoAddressError(f"{url} is no URL of a platform: it starts with http:// or https://")
    if not (token and token.strip()):
        raise NoAddressError(f"no token for {url} is given: use --token or WAKELINE_TOKEN")
    return Address(url, token.strip())


def _local(path: Path) -> Address | None:
    try:
        client = json.loads(path.read_text())
        return Address(client["url"], client["token"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoAddressError(f"{path} cannot be read: {error}") from error
