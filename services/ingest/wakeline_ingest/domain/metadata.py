"""Metadata: what is said of assets by name, type and value, and how it is found again."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MOST_KEYS = 64
MOST_CHARACTERS = 1_000
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Scalar = str | int | float | bool


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the form in which an asset is found by key and value: scalars only."""
    return sorted(
        tag_of(key, value) for key, value in metadata.items() if isinstance(value, Scalar)
    )[:MOST_KEYS]


def tag_of(key: str, value: Scalar) -> str:
    """Return one of them; 1 and 1.0 are one value, 1 and "1" are not."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return f"{key}={json.dumps(value, ensure_ascii=False)}"
