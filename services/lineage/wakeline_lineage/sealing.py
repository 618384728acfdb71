"""Secrets as they lie in the database: whoever reads that alone can sign nothing."""

from typing import ClassVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from wakeline_lineage.domain.webhooks import SECRET_PREFIX


class SealedSecretError(Exception):
    """No key that is given opens a stored secret."""

    code: ClassVar[str] = "sealed-secret"


class Seal:
    """Closes secrets under the first of some keys, and opens those under any of them.

    Parameters
    ----------
    keys
        Each 32 bytes in base64, separated by commas or white space; none: nothing can be sealed.

    Raises
    ------
    ValueError
        Naming the key that is none by its place, never by what it is.
    """

    def __init__(self, keys: str = "") -> None:
        found = []
        for place, key in enumerate(keys.replace(",", " ").split(), 1):
            try:
                found.append(Fernet(key))
            except ValueError as error:
                why = "32 bytes in base64, as `openssl rand -base64 32` prints"
                raise ValueError(f"key {place} is no key: a key is {why}") from error
        self._first = found[0] if found else None
        self._all = MultiFernet(found) if found else None

    def close(self, secret: str) -> str:
        """A secret as it is stored.

        Raises
        ------
        SealedSecretError
            If there is no key.
        """
        if self._first is None:
            raise SealedSecretError("the setting WEBHOOKS__KEYS names no key")
        return self._first.encrypt(secret.encode()).decode()

    def open(self, stored: str) -> str:
        """A secret as it was before; one that was stored before there were keys is just that.

        Raises
        ------
        SealedSecretError
            If no key opens it.
        """
        if stored.startswith(SECRET_PREFIX):
            return stored
        if self._all is None:
            raise SealedSecretError("the setting WEBHOOKS__KEYS names no key: secrets stay sealed")
        try:
            return self._all.decrypt(stored).decode()
        except InvalidToken as error:
            raise SealedSecretError(
                "the secret was sealed with a key that is not in the setting WEBHOOKS__KEYS: put "
                "that key behind the first one, or remove the webhook and add it anew"
            ) from error

    def renewed(self, stored: str) -> str | None:
        """A secret under the first key; None: it is under that already.

        Raises
        ------
        SealedSecretError
            If no key opens it, or there is none.
        """
        if self._first is not None and not stored.startswith(SECRET_PREFIX):
            try:
                self._first.decrypt(stored)
                return None
            except InvalidToken:
                pass
        return self.close(self.open(stored))
