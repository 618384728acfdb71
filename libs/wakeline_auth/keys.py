"""The public keys of an issuer, read from where the settings say and read again on rotation."""

import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

import httpx
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OctKey

from wakeline_auth.errors import KeysUnavailableError
from wakeline_auth.settings import AuthSettings

_FETCH_TIMEOUT_SECONDS = 3.0
_RELOAD_EVERY_SECONDS = 10.0
"""Between two reads that unknown key ids ask for: anyone can send tokens with invented ones."""
_PAUSE_SECONDS = 2.0
"""After a read that failed: whoever comes meanwhile is told so at once."""
_FRESH_SECONDS = 600.0
"""After this a key is looked for again: the issuer may have withdrawn it."""


class _Header(Protocol):
    def headers(self) -> dict[str, Any]: ...


class IssuerKeys:
    """Finds the key that a token's header names; safe to use from several threads.

    Nothing is read before the first use: a service may start before its issuer does. While the
    issuer is away, the keys that were read before serve on.
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = float("-inf")
        self._failure: str | None = None
        """Why the last try to read the keys failed."""
        self._lock = threading.Lock()

    def find(self, token: _Header) -> KeySet:
        """Return the keys among which the token's ``kid`` (or key type) picks one.

        Raises
        ------
        KeysUnavailableError
            If the source cannot be read, or holds no usable key, and the key is not known from
            before.
        """
        kid = token.headers().get("kid")
        keys = self._keys
        if keys is None or (kid is not None and not _holds(keys, kid)):
            return self._reloaded()
        if time.monotonic() - self._read_at > _FRESH_SECONDS:
            self._refresh()
        return self._keys or keys

    def require(self) -> None:
        """Read the keys, if they were not yet.

        Raises
        ------
        KeysUnavailableError
            If they cannot be read.
        """
        if self._keys is None:
            self._reloaded()

    def _reloaded(self) -> KeySet:
        # Only those who need new keys wait here: a token of a known key never does.
        with self._lock:
            since = time.monotonic() - self._tried_at
            if self._failure is not None and since < _PAUSE_SECONDS:
                raise KeysUnavailableError(self._failure)
            constant = self._settings.jwks is not None
            if self._keys is None or not (constant or since < _RELOAD_EVERY_SECONDS):
                self._keys = self._tried()
            return self._keys

    def _refresh(self) -> None:
        """Look whether keys were withdrawn; one thread does, and keeps what it has on failure."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._tried_at > _RELOAD_EVERY_SECONDS:
                    self._keys = self._tried()
            except KeysUnavailableError:
                pass
            finally:
                self._lock.release()

    def _tried(self) -> KeySet:
        self._tried_at = time.monotonic()
        try:
            keys = _parse(self._read())
        except KeysUnavailableError as error:
            self._failure = str(error)
            raise
        self._read_at, self._failure = self._tried_at, None
        return keys

    def _read(self) -> bytes:
        settings = self._settings
        try:
            if settings.jwks is not None:
                return settings.jwks.encode()
            if settings.jwks_file is not None:
                return settings.jwks_file.read_bytes()
            assert settings.jwks_url is not None, "AuthSettings has one key source"
            trusted = ssl.create_default_context(cafile=settings.ca_file)
            response = httpx.get(
                settings.jwks_url, timeout=_FETCH_TIMEOUT_SECONDS, trust_env=False, verify=trusted
            )
            return response.raise_for_status().content
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error).partition("\n")[0]
            raise KeysUnavailableError(f"the issuer's keys cannot be read: {why}") from error


def _holds(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)


def _parse(document: bytes) -> KeySet:
    try:
        found = list(_usable(orjson.loads(document)["keys"]))
    except (ValueError, KeyError, TypeError) as error:
        raise KeysUnavailableError(f"the issuer's key set is not a JWKS: {error}") from error
    if not found:
        raise KeysUnavailableError("the issuer's key set has no RSA, EC or OKP key for signatures")
    return KeySet(found)


def _usable(documents: Any) -> Iterator[Key]:
    """The keys that may prove a token: an issuer may have others, of kinds unknown here too."""
    for document in documents:
        if document.get("use", "sig") != "sig":
            continue
        try:
            (key,) = KeySet.import_key_set({"keys": [document]}).keys
        except (ValueError, KeyError, TypeError, JoseError):
            continue
        # A symmetric key in a public document would let everyone who reads it mint tokens.
        if not isinstance(key, OctKey):
            yield key
