"""Whose tokens a service accepts, and where that issuer's keys are."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator


class AuthSettings(BaseModel):
    """The issuer that a service trusts. Exactly one of the three key sources is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    """Value that the ``iss`` claim must have."""
    audience: str = "wakeline"
    """Value that the ``aud`` claim must have or hold."""
    jwks: str | None = None
    """The issuer's JSON Web Key Set itself, as JSON."""
    jwks_file: Path | None = None
    """A file with the key set; read again when a token names a key that is not known yet."""
    jwks_url: str | None = None
    """An address inside the cluster that serves the key set; read again likewise."""

    @model_validator(mode="after")
    def _has_one_key_source(self) -> "AuthSettings":
        given = [x for x in (self.jwks, self.jwks_file, self.jwks_url) if x is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of jwks, jwks_file and jwks_url")
        return self
