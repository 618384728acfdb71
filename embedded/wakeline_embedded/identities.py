"""The services' rights in the buckets, as identities of SeaweedFS."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from wakeline_blobs.access import MATRIX
from wakeline_embedded import documents
from wakeline_embedded.layout import Layout
from wakeline_embedded.seaweed import ADMINISTRATION, Identity

_ACTIONS: Final = {
    "r": ("Read", "List"),
    # a multipart upload tags its parts
    "w": ("Write", "Tagging", "List"),
}


def actions_of(service: str, prefix: str = "") -> list[str]:
    """What a service may do, in SeaweedFS's words.

    ``prefix`` stands before the buckets' names; it may hold "?" for any one character.
    """
    actions = {
        f"{action}:{prefix}{bucket}"
        for bucket, rights in MATRIX[service].items()
        for letter in rights
        for action in _ACTIONS[letter]
    }
    if "?" in prefix:
        # a name with wildcards means the bucket alone; what is in it has to be named too
        actions |= {f"{action}/*" for action in actions}
    return sorted(actions)


def invent(name: str, actions: Sequence[str]) -> Identity:
    """An identity with new random keys."""
    return Identity(name, secrets.token_hex(10), secrets.token_hex(20), tuple(actions))


def invent_administrator() -> Identity:
    """An identity that may do everything, with new random keys."""
    return invent("admin", ADMINISTRATION)


def kept(layout: Layout, services: tuple[str, ...]) -> dict[str, Identity]:
    """The object store's identities: "admin", and one for each service.

    Their keys are made on the first call and then kept; what a service may do follows the
    release that asks.
    """
    kept: dict[str, dict[str, str]] = documents.read(layout.secrets) or {}
    remembered = len(kept)
    found = {"admin": invent_administrator()}
    for name in services:
        found[name] = invent(name, actions_of(name))
    for name, fresh in found.items():
        known = kept.setdefault(name, {"access": fresh.access_key, "secret": fresh.secret_key})
        found[name] = Identity(name, known["access"], known["secret"], fresh.actions)
    if len(kept) > remembered:
        documents.write(layout.secrets, kept)
    return found
