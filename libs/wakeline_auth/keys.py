"""The public keys of an issuer, read from where the settings say and read again on rotation."""

import threading
import time
from typing import Any, Protocol

import httpx
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OctKey

from wakeline_auth.errors import KeysUnavailableError
from wakeline_auth.settings import AuthSettings

_FETCH_TIMEOUT_SECONDS = 3.0
_RELOAD_EVERY_SECONDS = 10.0


class _Header(Protocol):
    def headers(self) -> dict[str, Any]: ...


class IssuerKeys:
    """Finds the key that a token's header names; safe to use from several threads.

    Nothing is read before the first use: a service may start before its issuer does.
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._keys: KeySet | None = None
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, token: _Header) -> KeySet:
        """Return the keys among which the token's ``kid`` (or key type) picks one.

        An unknown ``kid`` may be a new key, so the source is read again, but not more often than
        every ten seconds: anyone can send tokens with invented key ids.

        Raises
        ------
        KeysUnavailableError
            If the source cannot be read or holds no usable key.
        """
        kid = token.headers().get("kid")
        keys = self._keys or self._loaded()
        if kid is not None and not _holds(keys, kid) and self._settings.jwks is None:
            keys = self._loaded(max_age=_RELOAD_EVERY_SECONDS)
        return keys

    def _loaded(self, max_age: float = float("inf")) -> KeySet:
        # Only those who need new keys wait here: a token of a known key never does.
        with self._lock:
            if self._keys is None or time.monotonic() - self._read_at > max_age:
                self._read_at = time.monotonic()
                self._keys = _parse(self._read())
            return self._keys

    def _read(self) -> bytes:
        settings = self._settings
        try:
            if settings.jwks is not None:
                return settings.jwks.encode()
            if settings.jwks_file is not None:
                return settings.jwks_file.read_bytes()
            assert settings.jwks_url is not None, "AuthSettings has one key source"
            response = httpx.get(settings.jwks_url, timeout=_FETCH_TIMEOUT_SECONDS, trust_env=False)
            return response.raise_for_status().content
        except (OSError, httpx.HTTPError) as error:
            raise KeysUnavailableError(f"the issuer's keys cannot be read: {error}") from error


def _holds(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)


def _parse(document: bytes) -> KeySet:
    try:
        keys = KeySet.import_key_set(orjson.loads(document))
    except (ValueError, KeyError, TypeError, JoseError) as error:
        raise KeysUnavailableError(f"the issuer's key set is not a JWKS: {error}") from error
    # A symmetric key in a public document would let everyone who reads it mint tokens.
    usable: list[Key] = [key for key in keys.keys if not isinstance(key, OctKey)]
    if not usable:
        raise KeysUnavailableError("the issuer's key set has no RSA, EC or OKP key")
    return KeySet(usable)
