"""Keys that a stack makes for itself once and then keeps."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from wakeline_embedded import documents
from wakeline_embedded.layout import Layout


@dataclass(frozen=True)
class Keys:
    """A key pair for the object store; a new one is random."""

    access: str = field(default_factory=lambda: secrets.token_hex(10))
    secret: str = field(default_factory=lambda: secrets.token_hex(20))


def kept(layout: Layout, names: Iterable[str]) -> dict[str, Keys]:
    """The keys of these names, made on the first call."""
    known = {name: Keys(**keys) for name, keys in (documents.read(layout.secrets) or {}).items()}
    wanted = {name: known.get(name) or Keys() for name in names}
    if not wanted.keys() <= known.keys():
        everything = known | wanted
        documents.write(layout.secrets, {name: asdict(keys) for name, keys in everything.items()})
    return wanted


def sealing_key(layout: Layout) -> str:
    """The key that webhooks' secrets are stored under, made on the first call."""
    known: str | None = documents.read(layout.sealing_key)
    if known is None:
        known = base64.b64encode(secrets.token_bytes(32)).decode()
        documents.write(layout.sealing_key, known, durable=True)
    return known
