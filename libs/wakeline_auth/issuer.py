"""Mints the tokens of the embedded stack, which has no identity provider of its own."""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import orjson
from joserfc import jwt
from joserfc.jwk import OKPKey

from wakeline_auth.permissions import Role

ISSUER = "wakeline"
"""The ``iss`` claim of tokens that Wakeline mints itself."""
_DEFAULT_TTL = timedelta(days=30)


class Issuer:
    """Holds one Ed25519 key and signs tokens with OIDC-shaped claims."""

    def __init__(
        self,
        key: OKPKey,
        *,
        issuer: str = ISSUER,
        audience: str = "wakeline",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self._key = key
        self._clock = clock

    @classmethod
    def create(cls, *, clock: Callable[[], float] = time.time) -> "Issuer":
        """Make an issuer with a new key."""
        key = OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(8), "use": "sig"})
        return cls(key, clock=clock)

    @classmethod
    def load(cls, path: Path) -> "Issuer":
        """Read an issuer's private key.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file holds no Ed25519 private key.
        """
        key = OKPKey.import_key(orjson.loads(path.read_bytes()))
        if not key.is_private or key.curve_name != "Ed25519":
            raise ValueError(f"{path} holds no Ed25519 private key")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the private key to a new file that its owner alone may read.

        Raises
        ------
        FileExistsError
            If there is such a file already: tokens signed with its key would stop working.
        """
        document = orjson.dumps(self._key.as_dict(private=True))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(document)

    def mint(
        self,
        person_id: str,
        roles: Iterable[Role],
        team_id: str | None = None,
        ttl: timedelta = _DEFAULT_TTL,
        name: str | None = None,
    ) -> str:
        """Return a signed token for a person, valid from now on for ``ttl``."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": person_id,
            "iat": now,
            "exp": now + int(ttl.total_seconds()),
            "jti": secrets.token_hex(8),
            "roles": sorted(roles),
        }
        if team_id is not None:
            claims["team"] = team_id
        if name is not None:
            claims["name"] = name
        header = {"alg": "Ed25519", "kid": cast(str, self._key.kid)}
        return jwt.encode(header, claims, self._key, algorithms=["Ed25519"])

    def jwks(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set, for ``AuthSettings``."""
        return {"keys": [self._key.as_dict(private=False)]}
