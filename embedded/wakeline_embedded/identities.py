"""The services' rights in the buckets, as identities of SeaweedFS."""

from __future__ import annotations

from typing import Final

from wakeline_blobs.access import MATRIX, SOURCES, reads_sources
from wakeline_embedded.credentials import Keys
from wakeline_embedded.seaweed import Identity

ADMIN: Final = "admin"
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
    if reads_sources(service):
        actions |= {f"{action}:{prefix}{SOURCES}" for action in _ACTIONS["r"]}
    # a name with wildcards means the bucket alone; what is in it has to be named too
    actions |= {f"{action}/*" for action in actions if set("?*") & set(action)}
    return sorted(actions)


def of_service(service: str, keys: Keys, prefix: str = "") -> Identity:
    """A service with the rights that it has in buckets of this prefix."""
    return Identity(service, keys.access, keys.secret, tuple(actions_of(service, prefix)))


def administrator(keys: Keys) -> Identity:
    """Who may do everything, making buckets included."""
    return Identity(ADMIN, keys.access, keys.secret, ("Admin", "Read", "List", "Tagging", "Write"))
