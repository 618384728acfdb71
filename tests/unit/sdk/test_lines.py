"""Lists cut into requests of JSON lines."""

import json

import pytest

from wakeline_sdk import lines
from wakeline_sdk.lines import segments


def test_a_list_is_cut_by_lines_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 3)
    monkeypatch.setattr(lines, "MOST_BYTES", 40)
    items = [{"n": n} for n in range(7)] + [{"n": "x" * 30}, {"n": "y" * 60}, {"n": 9}]
    found = list(segments(items))
    assert [(one.first, one.lines) for one in found] == [
        (0, 3),
        (3, 3),
        (6, 1),
        (7, 1),
        (8, 1),
        (9, 1),
    ]
    sent = [json.loads(line) for one in found for line in one.content.splitlines()]
    assert sent == items


def test_what_is_no_number_is_sent_as_nothing_so_that_its_line_is_refused_by_name() -> None:
    (one,) = segments([{"asset_id": "d:a", "score": float("nan")}])
    assert json.loads(one.content) == {"asset_id": "d:a", "score": None}


def test_nothing_is_sent_of_an_empty_list() -> None:
    assert list(segments([])) == []
