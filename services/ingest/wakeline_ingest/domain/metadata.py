"""Metadata: what is said of assets by name, type and value, and how it is found again."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import orjson

from wakeline_ingest.domain.errors import MetadataRefusedError, TableError

MOST_KEYS = 64
"""Of one asset."""
MOST_CHARACTERS = 1_000
"""Of one value."""
MOST_OF_GROUP = 400
LARGEST = 2**63
MOST_DEPTH = 8
MOST_BYTES = 64 * 1024
"""Of the metadata that come with one image, as JSON."""
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Scalar = str | int | float | bool
Naming = Literal["asset_id", "digest", "file_name"]
NAMING: tuple[Naming, ...] = ("asset_id", "digest", "file_name")
"""How a line names its asset; the first one of these that it has counts."""
OURS = frozenset({"split", "splits", "holdout", "hold_out", "fold"})
"""What nobody may say of an asset: the platform draws splits itself, by group and for good."""
TYPES = ("text", "int", "float", "bool", "date")


@dataclass(frozen=True, slots=True)
class Statement:
    """What one line says of one asset."""

    by: Naming
    name: str
    group: str | None = None
    values: Mapping[str, Scalar | None] = field(default_factory=dict)
    """None takes a key away."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a CSV file: ``name`` or ``name:type``."""

    name: str
    type: str = "text"


def columns_of(header: Sequence[str]) -> list[Column]:
    """Read the first line of a CSV file.

    Raises
    ------
    TableError
        If it cannot be: then no line can.
    """
    columns = [Column(*cell.strip().partition(":")[::2]) for cell in header]
    columns = [Column(column.name, column.type or "text") for column in columns]
    names = [column.name for column in columns]
    if len(set(names)) != len(names):
        raise TableError("invalid-header", "two columns have the same name")
    if not set(names) & set(NAMING):
        raise TableError("invalid-header", f"one column must be {', '.join(NAMING)}")
    for column in columns:
        if column.name.lower() in OURS:
            raise TableError("split-not-allowed", _no_split(column.name))
        if column.name not in (*NAMING, "group") and not KEY.fullmatch(column.name):
            raise TableError("invalid-header", _no_key(column.name))
        if column.type not in TYPES:
            raise TableError(
                "invalid-header", f"{column.name}: a type is one of {', '.join(TYPES)}"
            )
    return columns


def statement_of_row(columns: Sequence[Column], row: Sequence[str]) -> Statement:
    """Read a line of a CSV file; an empty cell says nothing.

    Raises
    ------
    MetadataRefusedError
    """
    if len(row) != len(columns):
        raise MetadataRefusedError(
            "wrong-number-of-cells", f"{len(row)} cells, the header has {len(columns)}"
        )
    document: dict[str, Any] = {}
    for column, cell in zip(columns, row, strict=True):
        if cell != "":
            document[column.name] = _typed(column, cell)
    return statement_of(document)


def statement_of(document: Any) -> Statement:
    """Read what a JSON object, or a line of a CSV file, says.

    Raises
    ------
    MetadataRefusedError
    """
    if not isinstance(document, dict):
        raise MetadataRefusedError("no-object", "the line is no JSON object")
    by: Naming | None = next((name for name in NAMING if document.get(name)), None)
    if by is None or not isinstance(document[by], str):
        raise MetadataRefusedError("no-asset", f"it names no asset by {', '.join(NAMING)}")
    group = document.get("group")
    if group is not None and not (
        isinstance(group, str) and 0 < len(group) <= MOST_OF_GROUP and group.isprintable()
    ):
        raise MetadataRefusedError(
            "invalid-group", f"a group is 1 to {MOST_OF_GROUP} printable characters"
        )
    values = {k: v for k, v in document.items() if k not in (*NAMING, "group")}
    if len(values) > MOST_KEYS:
        raise MetadataRefusedError("too-many-keys", f"more than {MOST_KEYS} keys")
    for key, value in values.items():
        _check(key, value)
    return Statement(by, document[by], group, values)


def refuse_unstorable(value: Any, depth: int = 0) -> None:
    """Check that what came with an image can be kept as it is: it may be nested, a little.

    Raises
    ------
    MetadataRefusedError
    """
    if depth > MOST_DEPTH:
        raise MetadataRefusedError("too-deep", f"metadata nest at most {MOST_DEPTH} deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            if "\0" in key or len(key) > MOST_CHARACTERS:
                raise MetadataRefusedError("invalid-key", "a key has a NUL or is too long")
            refuse_unstorable(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            refuse_unstorable(inner, depth + 1)
    elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise MetadataRefusedError("wrong-type", f"{value} does not fit into 64 bits")


def merged(there: Mapping[str, Any], said: Mapping[str, Scalar | None]) -> dict[str, Any]:
    """Return an asset's metadata once something more is said of it.

    Raises
    ------
    MetadataRefusedError
    """
    both = {key: value for key, value in {**there, **said}.items() if value is not None}
    if len(both) > max(MOST_KEYS, len(there)):
        raise MetadataRefusedError("too-many-keys", f"the asset would have over {MOST_KEYS} keys")
    return both


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the form in which an asset is found by key and value: of short scalars only."""
    return sorted(
        tag_of(key, value)
        for key, value in metadata.items()
        if isinstance(value, Scalar) and len(str(value)) <= MOST_CHARACTERS
    )[:MOST_KEYS]


def tag_of(key: str, value: Scalar) -> str:
    """Return one of them; 1 and 1.0 are one value, 1 and "1" are not."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def tags_meant(asked: str) -> list[str]:
    """Return the tags that ``key=value`` in a request may mean: as a text, or as what it reads as.

    Raises
    ------
    MetadataRefusedError
        If it has no key.
    """
    key, equals, text = asked.partition("=")
    if not equals or not key:
        raise MetadataRefusedError("invalid-filter", "ask for metadata as key=value")
    meant = [tag_of(key, text)]
    try:
        value = orjson.loads(text)  # takes nothing deep, and no half of a character
    except orjson.JSONDecodeError:
        return meant
    return [*meant, tag_of(key, value)] if isinstance(value, Scalar) else meant


def _typed(column: Column, cell: str) -> Scalar:
    try:
        match column.type:
            case "int":
                return int(cell)
            case "float":
                return float(cell)
            case "bool":
                return {"true": True, "false": False, "1": True, "0": False}[cell.lower()]
            case "date":
                return date.fromisoformat(cell).isoformat()
            case _:
                return cell
    except (ValueError, KeyError) as error:
        raise MetadataRefusedError(
            "wrong-type", f"{column.name} is no {column.type}: {cell[:50]!r}"
        ) from error


def _check(key: str, value: Any) -> None:
    if key.lower() in OURS:
        raise MetadataRefusedError("split-not-allowed", _no_split(key))
    if not KEY.fullmatch(key):
        raise MetadataRefusedError("invalid-key", _no_key(key))
    if value is not None and not isinstance(value, Scalar):
        raise MetadataRefusedError(
            "wrong-type", f"{key} is a text, a number, true, false or null, nothing nested"
        )
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise MetadataRefusedError("too-long", f"{key} has over {MOST_CHARACTERS:,} characters")
    if isinstance(value, float) and not math.isfinite(value):
        raise MetadataRefusedError("wrong-type", f"{key} is not finite")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise MetadataRefusedError("wrong-type", f"{key} does not fit into 64 bits")


def _no_split(name: str) -> str:
    return (
        f"{name!r} would hint at a split: splits are drawn by the platform, by group and for good; "
        "say `group` of what belongs together"
    )


def _no_key(name: str) -> str:
    return f"{name[:50]!r} is no key: letters, digits, _ and -, at most 64"
