"""Rules of webhooks: where they may go, how they are signed, in which order, and when again."""

import base64
import hashlib
import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from wakeline_lineage.domain.errors import ReceiverNotAllowedError
from wakeline_lineage.domain.records import KeptEvent

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
LONGEST_PAUSE = timedelta(minutes=5)
"""A receiver that is down for days gets its events within this time of coming back."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told what happens, and how far they have been told."""

    id: str
    url: str
    types: tuple[str, ...]
    """Event types; none: all."""
    secret: str
    """What its messages are signed with, sealed."""
    enabled: bool
    cursor: int
    """Every event up to this position is delivered, or is of no interest."""
    done: frozenset[int]
    """Positions behind the cursor that are delivered already: their keys went on, others not."""
    revision: int
    """Grows when the operator moves the cursor: a delivery under way cannot move it back."""
    created_at: datetime
    failures: int = 0
    """Tries in a row that failed."""
    last_error: str | None = None
    last_tried_at: datetime | None = None
    delivered_at: datetime | None = None
    """Last time that the receiver took something in."""
    next_try: datetime | None = None
    held_since: datetime | None = None
    """Since when the cursor cannot move on; None: the last try succeeded."""

    def wants(self, event_type: str) -> bool:
        """Whether events of a type are sent."""
        return not self.types or event_type in self.types


def receiver_of(url: str, allowed: Collection[str]) -> tuple[str, int]:
    """Host and port of a receiver.

    Parameters
    ----------
    allowed
        ``host:port`` of every receiver that may be called, as the operator's settings name them.

    Raises
    ------
    ReceiverNotAllowedError
        With the reason, and what to do.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        # ``urlsplit`` drops some of these, and would judge another URL than the one that is called.
        raise ReceiverNotAllowedError(f"{url!r} is no URL: write what is not ASCII as %XX")
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise ReceiverNotAllowedError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise ReceiverNotAllowedError("a receiver is an http or https URL with a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ReceiverNotAllowedError("a receiver's URL has no user, no password and no fragment")
    host = parts.hostname.lower()
    if f"{host}:{port}" not in {one.lower() for one in allowed}:
        raise ReceiverNotAllowedError(
            f"{host}:{port} is not on the list of receivers: whoever runs the platform adds it to "
            "the setting WEBHOOKS__RECEIVERS"
        )
    return host, port


def forbidden_address(host: str, address: str) -> str | None:
    """Why a host's address is not called; None: it is.

    The list of receivers decides by name, and a receiver in the same cluster is the usual case, so
    private addresses are fine. A name must not lead to this machine, nor to where clouds tell
    machines their credentials: who wants loopback writes it as an address.
    """
    found = ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return f"{host} leads to {address}, which is no receiver's"
    if found.is_loopback and host != address and host != "localhost":
        return f"{host} leads to this machine ({address}): name the address itself"
    return None


def secret_of(entropy: bytes) -> str:
    """A signing secret in the form of the Standard Webhooks specification."""
    return SECRET_PREFIX + base64.b64encode(entropy).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``: HMAC-SHA256 over id, time and body.

    Source: Standard Webhooks specification, "Signature scheme", symmetric signatures.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def streams_of(events: Iterable[KeptEvent]) -> list[list[KeptEvent]]:
    """Events by stream, each in its order: streams are sent side by side, one's events in turn."""
    streams: dict[tuple[str, str], list[KeptEvent]] = {}
    for event in events:
        streams.setdefault((event.service, event.key), []).append(event)
    return list(streams.values())


def advanced(
    cursor: int, done: Collection[int], page: Sequence[int], end: int
) -> tuple[int, frozenset[int]]:
    """The cursor, and what is delivered behind it.

    Parameters
    ----------
    page
        Positions that were to be delivered, in order.
    end
        Position up to which ``page`` names all that is wanted.
    """
    for position in page:
        if position not in done:
            return max(cursor, position - 1), frozenset(p for p in done if p > position)
    return max(cursor, end), frozenset()


def held_since(
    webhook: Webhook, cursor: int, failure: str | None, now: datetime
) -> datetime | None:
    """Since when a receiver has not taken the event that is next, after one more try.

    Parameters
    ----------
    cursor
        Where that try has moved it.
    failure
        Why the try ended; None: nothing is left to send.
    """
    if failure is None:
        return None
    if cursor > webhook.cursor:
        return now
    return webhook.held_since or now


def pause_after(failures: int, jitter: float) -> timedelta:
    """How long to wait after so many failures in a row: doubling from 1 s to five minutes.

    Parameters
    ----------
    jitter
        In [0, 1): takes up to a quarter off, so that nobody is called by all at once.
    """
    seconds = min(LONGEST_PAUSE.total_seconds(), 2.0 ** min(failures - 1, 20))
    return timedelta(seconds=seconds * (1 - jitter / 4))
