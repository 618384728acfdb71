"""Long lists, a page at a time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1_000, description="How many items a page has at most.")]
"""Query parameter: items a page, 1 to 1,000: ``limit: Limit = 100``."""

Cursor = Annotated[
    str | None, Query(max_length=1_000, description="``next`` of the page before; none: the first.")
]
"""Query parameter: where the page begins: ``cursor: Cursor = None``."""


class Page(BaseModel, Generic[T]):
    """One page of a list, and where the next one begins."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    next: str | None = None
    """Cursor of the next page, None on the last. Its form is nobody's business but the server's."""


class InvalidCursorError(Exception):
    """A cursor that this service did not hand out."""

    code: ClassVar[str] = "invalid-cursor"

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this service handed out")


def encode_cursor(*position: str | int | float | None) -> str:
    """Return a cursor for the last item of a page: its values of the list's sort keys."""
    return urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str, *types: type) -> tuple[Any, ...]:
    """Return the position that a cursor stands for, with one value of each given type.

    Raises
    ------
    InvalidCursorError
        If the cursor is malformed, or its values are of other types: it came from outside.
    """
    try:
        position = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise InvalidCursorError from error
    if (
        not isinstance(position, list)
        or len(position) != len(types)
        or any(type(value) is not wanted for value, wanted in zip(position, types, strict=True))
    ):
        raise InvalidCursorError
    return tuple(position)
