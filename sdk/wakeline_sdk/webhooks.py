"""For the receiver of webhooks: whether a message really comes from the platform.

The scheme is that of the Standard Webhooks specification; any of its libraries does as well.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

TOLERANCE = 300.0
"""Seconds that a message may be old, or ahead of this clock."""


class InvalidSignatureError(Exception):
    """The message was not signed with this secret, was changed, or is too old."""


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> None:
    """Return if a message is authentic and fresh.

    Parameters
    ----------
    secret
        What the platform told when the webhook was added: ``whsec_...``.
    headers
        Of the request; names in any case.
    body
        The bytes as they came, before anything reads them.
    now
        Seconds since 1970; the clock's if not given.

    Raises
    ------
    InvalidSignatureError
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        message, moment = found["webhook-id"], found["webhook-timestamp"]
        signatures = found["webhook-signature"].split(" ")
        age = (time.time() if now is None else now) - int(moment)
    except (KeyError, ValueError) as error:
        raise InvalidSignatureError(f"not a signed message: {error}") from error
    if abs(age) > tolerance:
        raise InvalidSignatureError(f"the message is {age:.0f} s old")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((message.encode(), moment.encode(), body))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(f"v1,{expected}", one) for one in signatures):
        raise InvalidSignatureError("no signature of it is made with this secret")
