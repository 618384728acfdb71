"""Who may call this stack: its own key, the tokens it mints, and the one the owner gets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from wakeline_auth import Issuer, Role
from wakeline_embedded import documents
from wakeline_embedded.layout import Layout

OWNER = "owner"
"""The person whose token lies in the data folder: whoever can read it started the stack."""
_OWNER_TTL = timedelta(days=365)


class NoIssuerError(Exception):
    """The folder holds no key: no stack was ever started in it."""

    code = "no-issuer"


def prepare_issuer(layout: Layout) -> Issuer:
    """The stack's issuer; made on the first call, with the public key where services read it."""
    if not layout.issuer_key.exists():
        Issuer.create().save(layout.issuer_key)
    issuer = Issuer.load(layout.issuer_key)
    documents.write(layout.jwks, issuer.jwks())
    return issuer


def write_client(layout: Layout, url: str) -> None:
    """Write the URL and an administrator's token to where the command line finds them."""
    token = prepare_issuer(layout).mint(OWNER, [Role.ADMIN], ttl=_OWNER_TTL)
    documents.write(layout.client, {"url": url, "token": token})


def mint(
    layout: Layout, person_id: str, roles: Iterable[Role], team_id: str | None, ttl: timedelta
) -> str:
    """A token for this stack.

    Raises
    ------
    NoIssuerError
        If no stack was ever started in the folder.
    """
    if not layout.issuer_key.exists():
        raise NoIssuerError(f"{layout.root} holds no stack: start one with `wakeline up`")
    return Issuer.load(layout.issuer_key).mint(person_id, roles, team_id, ttl)
