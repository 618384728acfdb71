"""Bodies that are bombs or nonsense, for every route that takes JSON."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.hostile.attack import Attack

JSON = "application/json"
LINES = "application/x-ndjson"
XML = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">
<!ENTITY c SYSTEM "file:///etc/passwd">]><x>&b;&c;</x>"""

BOMBS: Mapping[str, tuple[bytes, Mapping[str, str]]] = {
    "nothing": (b"", {}),
    "deep arrays": (b"[" * 200_000, {}),
    "deep closed arrays": (b"[" * 100_000 + b"]" * 100_000, {}),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}),
    "a number of a million digits": (b'{"fence": ' + b"9" * 1_000_000 + b"}", {}),
    "a huge exponent": (b'{"fence": 1e999999, "count": 1e400}', {}),
    "NaN": (b'{"fence": NaN, "count": NaN, "items": NaN}', {}),
    "Infinity": (b'{"fence": Infinity, "count": -Infinity}', {}),
    "the same key twice": (b'{"count": 1, "count": 2, "fence": 1, "fence": 2, "x": 0}', {}),
    "no UTF-8": (b'{"count": "\xff\xfe\xc0\x80"}', {}),
    "half a surrogate": (b'{"\\ud800": "\\udfff", "name": "\\ud800"}', {}),
    "a NUL": (b'{"count\\u0000": "\\u0000"}', {}),
    "a byte order mark": (b"\xef\xbb\xbf{}", {}),
    "a string": (b'"../../etc/passwd"', {}),
    "null": (b"null", {}),
    "operators of MongoDB": (b'{"$where": "sleep(9999)", "count": {"$gt": ""}}', {}),
    "nine megabytes": (b'{"x": "' + b"a" * 9_000_000 + b'"}', {}),
    "a gzip bomb": (gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}),
    "a deflate bomb": (zlib.compress(bytes(50_000_000)), {"Content-Encoding": "deflate"}),
    "XML with entities": (XML, {"Content-Type": "application/xml"}),
    "XML that calls itself JSON": (XML, {}),
    "a zip": (b"PK\x03\x04" + bytes(200), {"Content-Type": "application/zip"}),
    "a form without an end": (
        b"--x\r\nContent-Disposition: form-data; name=",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "a lying length of characters": (b"{}", {"Content-Type": "application/json; charset=utf-7"}),
}
"""Name -> body and headers."""
MAYBE_HARMLESS = frozenset({"nothing", "a lying length of characters", "a byte order mark"})
"""A route whose fields all have defaults takes an empty body."""


def attacks(
    documents: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]
) -> Iterator[Attack]:
    """Each bomb to each route with a body of JSON, or of lines of it.

    Parameters
    ----------
    documents
        Service -> its OpenAPI document.
    known
        Path parameter -> a value that exists, so that the request gets past the path.
    """
    for service, document in documents.items():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                content = operation.get("requestBody", {}).get("content", {})
                media_type = next((kind for kind in (JSON, LINES) if kind in content), None)
                if media_type is None:
                    continue
                for name, (body, headers) in BOMBS.items():
                    # A stream of lines is answered line by line, each bad one with its reason.
                    harmless = name in MAYBE_HARMLESS or media_type == LINES
                    yield Attack(
                        "bodies",
                        name,
                        service,
                        method.upper(),
                        filled(path, known),
                        expected="answered" if harmless else "refused",
                        request={
                            "content": body,
                            "headers": {"Content-Type": media_type, **headers},
                        },
                    )


def filled(path: str, known: Mapping[str, str]) -> str:
    """A path with its parameters filled in."""
    for name, value in known.items():
        path = path.replace("{" + name + "}", value)
    while "{" in path:
        path = path[: path.index("{")] + "unknown" + path[path.index("}") + 1 :]
    return path
