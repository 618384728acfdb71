"""Turns a token into a principal, or says why it proves nothing."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ExpiredTokenError,
    InvalidClaimError,
    InvalidPayloadError,
    JoseError,
    MissingClaimError,
)

from wakeline_auth.errors import TokenError
from wakeline_auth.keys import IssuerKeys
from wakeline_auth.permissions import Role
from wakeline_auth.principal import Principal
from wakeline_auth.settings import AuthSettings

ALGORITHMS = ("EdDSA", "Ed25519", "RS256", "ES256")
"""Signatures that are accepted. Asymmetric only, so a public key never serves as a secret."""

_CACHE_SIZE = 4_096
_AGAIN_SECONDS = 600.0
"""After this a remembered token is judged again: its key may have been withdrawn."""
_LEEWAY_SECONDS = 5
"""How far the clocks of the issuer and this process may be apart."""
_MAX_TOKEN_CHARACTERS = 8_192
_ROLES: Mapping[str, Role] = {str(role): role for role in Role}


class Verifier:
    """Verifies tokens of one issuer; safe to use from several threads.

    A verified token is remembered for ten minutes, until it expires at most, so that a request
    costs a dictionary lookup and not a signature check.
    """

    def __init__(self, settings: AuthSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._keys = IssuerKeys(settings)
        self._clock = clock
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        self._verified: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(self, token: str) -> Principal | None:
        """Return the principal of a token that was verified lately and has not expired."""
        found = self._verified.get(token)
        if found is None or found[1] <= self._clock():
            return None
        return found[0]

    def verify(self, token: str) -> Principal:
        """Return the principal that the token proves.

        The first time a token is seen this checks a signature (about 0.2 ms) and may read the
        issuer's keys, which blocks: call it in a thread where ``remembered`` knows nothing.

        Raises
        ------
        TokenError
            If the token is malformed, badly signed, expired, not yet valid, or of another issuer
            or audience.
        KeysUnavailableError
            If the issuer's keys cannot be read.
        """
        principal = self.remembered(token)
        if principal is not None:
            return principal
        claims = self._checked_claims(token)
        principal = _principal(claims, self._settings)
        with self._lock:
            until = min(float(claims["exp"]), self._clock() + _AGAIN_SECONDS)
            self._verified[token] = (principal, until)
            self._verified.move_to_end(token)
            while len(self._verified) > _CACHE_SIZE:
                self._verified.popitem(last=False)
        return principal

    def require_keys(self) -> None:
        """Return if the issuer's keys can be read; blocks while they are.

        Raises
        ------
        KeysUnavailableError
            If not: no token of a new key could be judged now.
        """
        self._keys.require()

    def _checked_claims(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise TokenError("token-malformed", "the token is longer than 8,192 characters")
        try:
            claims = jwt.decode(token, self._keys.find, algorithms=ALGORITHMS).claims
            self._claims.validate(claims)
        except ExpiredTokenError as error:
            raise TokenError("token-expired", "the token has expired") from error
        except MissingClaimError as error:
            raise TokenError("token-claims", f"the token lacks a claim: {error}") from error
        except InvalidClaimError as error:
            if error.claim in ("nbf", "iat"):
                raise TokenError("token-not-yet-valid", "the token is not valid yet") from error
            raise TokenError(
                "token-claims", f"the token's {error.claim} is not accepted"
            ) from error
        except BadSignatureError as error:
            raise TokenError("token-signature", "the token's signature is wrong") from error
        except InvalidPayloadError as error:
            raise TokenError("token-malformed", "the token carries no claims") from error
        except JoseError as error:
            raise TokenError(_code_of(error), f"the token is not acceptable: {error}") from error
        except (ValueError, TypeError) as error:  # not base64, not ASCII, not JSON
            raise TokenError("token-malformed", "the token is not a signed JWT") from error
        return claims


def _code_of(error: JoseError) -> str:
    return "token-malformed" if error.error == "decode_error" else "token-signature"


def _principal(claims: dict[str, Any], settings: AuthSettings) -> Principal:
    named = _claim(claims, settings.roles_claim)
    if named is None:
        named = []
    if not isinstance(named, list):
        raise TokenError(
            "token-claims", f"the token's {settings.roles_claim} must be a list of strings"
        )
    known = _ROLES if settings.roles is None else settings.roles
    team, name = _claim(claims, settings.team_claim), claims.get("name")
    return Principal(
        person_id=claims["sub"],
        # An identity provider may know roles of other systems: they mean nothing here.
        roles=frozenset(known[role] for role in named if isinstance(role, str) and role in known),
        team_id=team if isinstance(team, str) and team else None,
        name=name if isinstance(name, str) else None,
    )


def _claim(claims: dict[str, Any], path: str) -> Any:
    """What stands at a path, or None; a claim whose own name has dots goes before a path."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found
