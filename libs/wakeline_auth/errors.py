"""Why a token was not accepted."""

from typing import ClassVar


class TokenError(Exception):
    """A token that proves nothing; ``code`` is stable, the message is for people.

    Codes: ``token-malformed``, ``token-signature`` (also an unknown key or algorithm),
    ``token-expired``, ``token-not-yet-valid``, ``token-claims`` (wrong or missing claim).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be read, so no token can be judged: not the caller's fault."""

    code: ClassVar[str] = "keys-unavailable"
