"""Whose tokens a service accepts, where that issuer's keys are, and what its claims are called."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FilePath, model_validator

from wakeline_auth.permissions import Role

Claim = Annotated[str, Field(min_length=1, max_length=200)]
"""A claim's name, or a path of names with dots between them: ``realm_access.roles``."""


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
    ca_file: FilePath | None = None
    """Authorities in PEM that may sign that address's certificate; None: the system's."""
    roles_claim: Claim = "roles"
    """Where the names of a person's roles stand: a list of strings."""
    roles: Mapping[str, Role] | None = None
    """Name at the issuer -> role here; every other name means nothing. None: the names are the
    roles."""
    team_claim: Claim = "team"
    """Where the id of a person's team stands: a string."""

    @model_validator(mode="after")
    def _has_one_key_source(self) -> "AuthSettings":
        given = [x for x in (self.jwks, self.jwks_file, self.jwks_url) if x is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of jwks, jwks_file and jwks_url")
        return self
