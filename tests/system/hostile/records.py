"""Records on the real topics that no service of ours would write."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from wakeline_events.registry import BY_TYPE, schema_name, topic_of

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Record:
    """One record; every key is its own, so that it holds back nothing but itself."""

    name: str
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


VALUES = {
    "random bytes": random.Random(5).randbytes(2_000),
    "nothing": b"",
    "an array": b"[]",
    "null": b"null",
    "text": b'"; drop table"',
    "a number": b"1e400",
    "NaN": b'{"asset_id": NaN}',
    "deep JSON": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "wrong types": b'{"asset_id": {"$gt": ""}, "asset": 7, "bytes": "x", "items": null}',
    "a missing field": b"{}",
    "half a surrogate": b'{"asset_id": "\\ud800"}',
    "900 KB": json.dumps({"asset_id": "x" * 900_000}).encode(),
}


def records(run: str) -> Iterator[Record]:
    """All of them; ``run`` makes their keys this run's own."""
    topics = sorted({topic_of(event.PRODUCER) for event in BY_TYPE.values()})
    number = 0

    def key() -> bytes:
        nonlocal number
        number += 1
        return f"hostile-{run}-{number}".encode()

    for topic in topics:
        for name, value in VALUES.items():
            yield Record(f"{name} without headers", topic, key(), value, [])
        good = _headers("asset.ingested", "events/asset.ingested/1.json")
        for left_out in ("ce_specversion", "ce_sequence", "ce_id", "ce_type"):
            headers = [one for one in good if one[0] != left_out]
            yield Record(f"no {left_out}", topic, key(), b"{}", headers)
        for name, bad in BAD_HEADERS.items():
            headers = [one for one in good if one[0] != bad[0]] + [bad]
            yield Record(name, topic, key(), b"{}", headers)
        yield Record("no key", topic, None, b"{}", good)
        yield Record("no value", topic, key(), None, good)
        yield Record("a key of no UTF-8", topic, b"\xff\xfe", b"{}", good)
    for kind, event in sorted(BY_TYPE.items()):
        topic = topic_of(event.PRODUCER)
        headers = _headers(kind, schema_name(event))
        for name, value in VALUES.items():
            yield Record(f"{kind} of {name}", topic, key(), value, headers)


BAD_HEADERS: dict[str, tuple[str, bytes]] = {
    "a sequence of 0": ("ce_sequence", b"0"),
    "a negative sequence": ("ce_sequence", b"-3"),
    "a sequence of words": ("ce_sequence", b"first"),
    "a sequence of 400 digits": ("ce_sequence", b"9" * 400),
    "a sequence of 5,000 digits": ("ce_sequence", b"9" * 5_000),
    "a sequence beyond 64 bits": ("ce_sequence", str(2**64).encode()),
    "another specversion": ("ce_specversion", b"0.1"),
    "a type of no UTF-8": ("ce_type", b"\xff\xfe"),
    "a time that is none": ("ce_time", b"yesterday"),
    "a time without a zone": ("ce_time", b"2026-01-01T00:00:00"),
    "a time of the year 99999": ("ce_time", b"99999-01-01T00:00:00Z"),
    "an id of no UTF-8": ("ce_id", b"\xff"),
    "a trace of nonsense": ("traceparent", b"00-zz-zz-zz"),
    "a correlation id of 100 KB": ("ce_correlationid", b"x" * 100_000),
}


def unknown_major(run: str) -> Record:
    """An event that only a newer release can read: it stops its consumer, and says so."""
    headers = _headers("asset.ingested", "events/asset.ingested/7.json")
    topic = topic_of("ingest")
    return Record("an unknown major", topic, f"hostile-{run}-major".encode(), b"{}", headers)


def _headers(kind: str, dataschema: str) -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"hostile"),
        ("ce_source", b"/wakeline/hostile"),
        ("ce_type", kind.encode()),
        ("ce_time", b"2026-01-01T00:00:00+00:00"),
        ("ce_dataschema", dataschema.encode()),
        ("ce_sequence", b"1"),
        ("content-type", b"application/json"),
    ]
