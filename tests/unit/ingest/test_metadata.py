"""What a table may say of assets, and what an asset is found by."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_ingest.domain.errors import MetadataRefusedError, TableError
from wakeline_ingest.domain.metadata import (
    Column,
    columns_of,
    merged,
    statement_of,
    statement_of_row,
    tag_of,
    tags_meant,
)
from wakeline_ingest.importing.tables import read


def test_a_header_says_names_and_types() -> None:
    assert columns_of(["file_name", "group", "age:int", " note "]) == [
        Column("file_name"),
        Column("group"),
        Column("age", "int"),
        Column("note"),
    ]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (["age"], "invalid-header"),
        (["digest", "age", "age:int"], "invalid-header"),
        (["digest", "age:years"], "invalid-header"),
        (["digest", "a.b"], "invalid-header"),
        (["digest", "$where"], "invalid-header"),
        (["digest", "split"], "split-not-allowed"),
        (["digest", "Holdout:bool"], "split-not-allowed"),
    ],
)
def test_a_header_that_no_line_could_follow_is_refused(header: list[str], code: str) -> None:
    with pytest.raises(TableError) as caught:
        columns_of(header)
    assert caught.value.code == code


def test_cells_have_the_type_of_their_column_and_empty_ones_say_nothing() -> None:
    columns = columns_of(["digest", "a:int", "b:float", "c:bool", "d:date", "e", "f"])
    said = statement_of_row(columns, ["x", "7", "0.5", "TRUE", "2026-01-31", "7", ""])
    assert said.values == {"a": 7, "b": 0.5, "c": True, "d": "2026-01-31", "e": "7"}
    assert (said.by, said.name) == ("digest", "x")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ([1], "no-object"),
        ({"age": 1}, "no-asset"),
        ({"digest": 5}, "no-asset"),
        ({"digest": "x", "a": {"b": 1}}, "wrong-type"),
        ({"digest": "x", "a": float("inf")}, "wrong-type"),
        ({"digest": "x", "a": 2**63}, "wrong-type"),
        ({"digest": "x", "a": "y" * 1_001}, "too-long"),
        ({"digest": "x", "a b": 1}, "invalid-key"),
        ({"digest": "x", "fold": 1}, "split-not-allowed"),
        ({"digest": "x", "group": 5}, "invalid-group"),
        ({"digest": "x", "group": "a\nb"}, "invalid-group"),
        ({"digest": "x"} | {f"k{n}": n for n in range(65)}, "too-many-keys"),
    ],
)
def test_a_line_that_is_not_taken_says_why(document: object, code: str) -> None:
    with pytest.raises(MetadataRefusedError) as caught:
        statement_of(document)
    assert caught.value.code == code


def test_null_takes_a_key_away_and_the_rest_stays() -> None:
    assert merged({"a": 1, "b": 2}, {"a": None, "c": 3}) == {"b": 2, "c": 3}


@given(st.one_of(st.text(max_size=50), st.integers(-(2**62), 2**62), st.booleans()))
def test_a_value_is_found_by_what_it_is_written_as(value: str | int | bool) -> None:
    text = value if isinstance(value, str) else str(value).lower()
    assert tag_of("key", value) in tags_meant(f"key={text}")


def test_a_text_of_digits_and_a_number_are_found_by_the_same_words() -> None:
    assert set(tags_meant("a=7")) == {tag_of("a", "7"), tag_of("a", 7), tag_of("a", 7.0)}
    with pytest.raises(MetadataRefusedError):
        tags_meant("no-key")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5_000, '"\\ud800"', "NaN", "1e999"])
def test_what_does_not_read_as_a_value_is_looked_for_as_a_text(text: str) -> None:
    assert tags_meant(f"a={text}") == [tag_of("a", text)]


def lines_of(tmp_path: Path, data: bytes) -> list[tuple[str, str | None]]:
    (tmp_path / "table").write_bytes(data)
    return [(said.name, said.code) for said in read(tmp_path / "table")]


def test_a_csv_file_is_read_line_by_line_and_bad_lines_are_named(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbfdigest,age:int\r\nx,1\r\n\r\ny,old\r\nz\r\n"a,b",2\r\n'
    assert lines_of(tmp_path, data) == [
        ("line 2", None),
        ("line 4", "wrong-type"),
        ("line 5", "wrong-number-of-cells"),
        ("line 6", None),
    ]


def test_json_lines_are_told_by_their_first_character(tmp_path: Path) -> None:
    data = b'{"digest": "x", "a": 1}\n\n{"digest": NaN}\n{"digest": "x", "a": [1]}\n'
    assert lines_of(tmp_path, data) == [
        ("line 1", None),
        ("line 3", "invalid-json"),
        ("line 4", "wrong-type"),
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "invalid-table"),
        (b"digest,a\n\xff\xfe,1\n", "not-utf-8"),
        (b"digest,a\n" + b"x" * 70_000, "line-too-long"),
        (b'{"digest": "' + b"x" * 70_000, "line-too-long"),
        (b'digest,a\n"ab\n' + b'","ab\n' * 20_000, "line-too-long"),
        (b'digest,a\n"' + b"x" * 40_000 + b"\n" + b"x" * 40_000 + b'",1\n', "line-too-long"),
        (b'"digest\n' + b"a\n" * 40_000, "line-too-long"),
        (b'digest,a\n"x"y,1\n', "invalid-table"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(TableError) as caught:
        lines_of(tmp_path, data)
    assert caught.value.code == code


def test_a_record_of_several_lines_and_many_records_are_read(tmp_path: Path) -> None:
    data = (
        b'digest,a\n"x","one\ntwo"\n' + b'"x","' + b"y" * 500 + b'\n"\n\n' * 1 + b"x,z\n" * 30_000
    )
    assert [code for _, code in lines_of(tmp_path, data)] == [None] * 30_002
