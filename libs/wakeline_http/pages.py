"""Long lists, a page at a time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1_000, description="How many items a page has at most.")]
"""Query parameter: items a page, 1 to 1,000: ``limit: Limit = 100``."""

Cursor = Annotated[
    str | None, Query(max_length=1_000, description="``next`` of the page before; none: the first.")
]
"""Query parameter: where the page begins: ``cursor: Cursor = None``."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time of the years 1 to 9999") from error


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""Parameter or field: a time, in UTC; what names no zone is meant so."""

LARGEST = 2**63
"""Of whole numbers, exclusive: what a store can compare with."""


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


def encode_cursor(*position: str | int | float | datetime | None) -> str:
    """Return a cursor for the last item of a page: its values of the list's sort keys."""
    return urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str, *types: type) -> tuple[Any, ...]:
    """Return the position that a cursor stands for, with one value of each given type.

    A `datetime` is in UTC.

    Raises
    ------
    InvalidCursorError
        If the cursor is malformed, or its values are of other types: it came from outside.
    """
    try:
        position = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(position, list):
            raise InvalidCursorError
        return tuple(_typed(value, kind) for value, kind in zip(position, types, strict=True))
    except ValueError as error:
        raise InvalidCursorError from error


def _typed(value: Any, wanted: type) -> Any:
    if wanted is datetime and isinstance(value, str):
        return _in_utc(datetime.fromisoformat(value))
    if type(value) is not wanted:
        raise InvalidCursorError
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise InvalidCursorError
    return value
