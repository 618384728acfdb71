"""Cursors lead on from where a page ended, and only the server can make them."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from wakeline_http import InvalidCursorError, Moment, Page, decode_cursor, encode_cursor


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53), 2**53))
def test_a_cursor_leads_back_to_its_position(key: str, number: int) -> None:
    cursor = encode_cursor(key, number)
    assert decode_cursor(cursor, str, int) == (key, number)
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=50))
def test_what_is_no_cursor_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(text, str, int, int, float)


@pytest.mark.parametrize(
    "document", [b'{"$gt": ""}', b'[{"$gt": ""}]', b"[1]", b'["a", "b"]', b"null", b"[true]", b"["]
)
def test_a_cursor_of_another_form_is_refused(document: bytes) -> None:
    cursor = base64.urlsafe_b64encode(document).rstrip(b"=").decode()
    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, str)


@given(st.datetimes(timezones=st.just(UTC)), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_time_comes_back_as_it_was(at: datetime, key: str) -> None:
    assert decode_cursor(encode_cursor(at, key), datetime, str) == (at, key)


@pytest.mark.parametrize(
    "value",
    ["x", "", "2026-13-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", 1.5, 5, None],
)
def test_a_time_that_is_none_or_that_no_store_can_hold_is_refused(value: Any) -> None:
    cursor = base64.urlsafe_b64encode(orjson.dumps([value, "y"])).decode()
    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, datetime, str)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_a_number_that_no_store_can_hold_is_refused(number: int) -> None:
    cursor = base64.urlsafe_b64encode(orjson.dumps([number])).decode()
    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, int)


def test_a_moment_is_in_utc_and_one_outside_of_all_years_is_refused() -> None:
    moments: TypeAdapter[datetime] = TypeAdapter(Moment)
    east = timezone(timedelta(hours=5))
    assert moments.validate_python(datetime(2026, 1, 1, 5, tzinfo=east)).utcoffset() == timedelta()
    assert moments.validate_python("2026-01-01T00:00:00") == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValidationError):
        moments.validate_python("0001-01-01T00:00:00+23:59")


def test_a_last_page_says_so() -> None:
    assert Page[int](items=[1, 2]).model_dump_json() == '{"items":[1,2],"next":null}'
