"""What people and their programs write: read so that a misspelt field is an error."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

MOST_UNKNOWN = 20
"""Fields of one object that are each an error of its own."""


class Strict(BaseModel):
    """A document that is sent: a misspelt field is an error, never silently ignored.

    More unknown fields than a person misspells are one error that says how many there are: each by
    itself, a body of 8 MB took 17 s and 700 MB to be refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_unknown(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MOST_UNKNOWN + len(cls.model_fields):
            unknown = len(value.keys() - cls.model_fields.keys())
            raise ValueError(f"it has {unknown:,} fields that are not known here")
        return value
