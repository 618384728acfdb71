"""Cursors lead on from where a page ended, and only the server can make them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_http import InvalidCursorError, Page, decode_cursor, encode_cursor


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


def test_a_last_page_says_so() -> None:
    assert Page[int](items=[1, 2]).model_dump_json() == '{"items":[1,2],"next":null}'
