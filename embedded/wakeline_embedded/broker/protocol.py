"""The wire format: the fixed table of APIs, and requests and responses as plain named fields.

The schemas are aiokafka's own. ``aiokafka.protocol`` is no public API, so the dependency is pinned
to 0.14; an import fails loudly if a listed version has lost its schema. Handlers do not know API
versions: a response names its fields once, and the encoder picks those that the version has.
"""

import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import BytesIO
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiokafka.protocol
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.types import Array, Boolean, Bytes, Int32, Schema, String

from wakeline_embedded.broker.errors import Code, MalformedRequestError, RefusedError

log = logging.getLogger(__name__)

Fields = dict[str, Any]
"""The named fields of a response; nested arrays are lists of such mappings.

A field left out is "nothing": -1, an empty string or array, False, and 0 for an error code.
"""
_UNSET = {Bytes: b"", Boolean: False}
_ZERO_IF_UNSET = {"error_code", "throttle_time_ms", "session_id"}


class Api(NamedTuple):
    """One offered API: the name of its handler and the versions it is offered in."""

    name: str
    low: int
    high: int


# By API key (https://kafka.apache.org/protocol#protocol_api_keys). librdkafka wants Fetch 4 for
# headers and Fetch 10 for zstd; every range is one that both client libraries overlap with and
# that aiokafka has right schemas for. None has a "flexible" header.
APIS = {
    0: Api("produce", 3, 7),
    1: Api("fetch", 4, 11),
    2: Api("list_offsets", 1, 3),
    3: Api("metadata", 1, 5),
    8: Api("offset_commit", 2, 3),
    9: Api("offset_fetch", 1, 3),
    10: Api("find_coordinator", 0, 1),
    11: Api("join_group", 0, 2),
    12: Api("heartbeat", 0, 1),
    13: Api("leave_group", 0, 1),
    14: Api("sync_group", 0, 1),
    15: Api("describe_groups", 0, 2),
    16: Api("list_groups", 0, 1),
    18: Api("api_versions", 0, 2),
    19: Api("create_topics", 1, 3),
    20: Api("delete_topics", 0, 3),
    21: Api("delete_records", 0, 1),
    22: Api("init_producer_id", 0, 0),
    32: Api("describe_configs", 1, 2),
    33: Api("alter_configs", 0, 1),
    37: Api("create_partitions", 0, 1),
    42: Api("delete_groups", 0, 1),
}
PRODUCE, API_VERSIONS = 0, 18

# The same field goes by two names in some of the schemas; handlers know the second one.
_ALIASES = {"name": "topic", "partition_index": "partition", "fetch_offset": "offset"}
_HEADER = struct.Struct(">hhih")  # api key, api version, correlation id, length of the client id


def _schemas() -> dict[tuple[int, int], tuple[Schema, Schema]]:
    """Request and response schema of every offered (API, version)."""
    for module in iter_modules(aiokafka.protocol.__path__):
        import_module(f"aiokafka.protocol.{module.name}")  # so that all structs are defined
    known = {(cls.API_KEY, cls.API_VERSION): cls for cls in RequestStruct.__subclasses__()}
    return {
        (key, version): (known[key, version].SCHEMA, known[key, version].RESPONSE_TYPE.SCHEMA)
        for key, api in APIS.items()
        for version in range(api.low, api.high + 1)
    }


_SCHEMAS = _schemas()


@dataclass(frozen=True, slots=True)
class Request:
    """One decoded request; ``body`` has the schema's fields as attributes."""

    key: int
    version: int
    correlation_id: int
    client_id: str
    body: Any
    error: Code = Code.NONE
    """``UNSUPPORTED_VERSION`` for a newer ApiVersions, which must be answered all the same."""


def decode_request(frame: bytes) -> Request:
    """Decode a frame (without its length prefix).

    Raises
    ------
    MalformedRequestError
        If the API, its version or the body is none that ``APIS`` offers.
    """
    try:
        key, version, correlation_id, client_size = _HEADER.unpack_from(frame)
        start = _HEADER.size + max(client_size, 0)
        client_id = frame[_HEADER.size : start].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedRequestError(f"bad request header: {error}") from error
    if key == API_VERSIONS and version > APIS[API_VERSIONS].high:
        # KIP-511: answered in version 0 with an error, so that the client tries an older one.
        return Request(key, 0, correlation_id, client_id, None, Code.UNSUPPORTED_VERSION)
    if (key, version) not in _SCHEMAS:
        raise MalformedRequestError(f"API {key} version {version} is not offered")
    data = BytesIO(frame)
    data.seek(start)
    try:
        body = _decode(_SCHEMAS[key, version][0], data, len(frame))
    except ValueError as error:
        raise MalformedRequestError(f"bad body of {APIS[key].name} v{version}: {error}") from error
    return Request(key, version, correlation_id, client_id, body)


def encode_response(request: Request, fields: Fields) -> bytes:
    """Encode a response with its length prefix and correlation id."""
    chunks = list(_encode(_SCHEMAS[request.key, request.version][1], fields))
    size = 4 + sum(map(len, chunks))
    return b"".join((struct.pack(">ii", size, request.correlation_id), *chunks))


def attempted(action: Callable[[], Fields | None], **fields: Any) -> Fields:
    """Fields of one item of a response: those given, and what the action returns or its error."""
    try:
        return {**fields, **(action() or {})}
    except RefusedError as refused:
        log.debug("refused: %s (%s)", refused.message, refused.code.name)
        return {"error_code": refused.code, "error_message": refused.message, **fields}


def per_partition(topics: Any, action: Callable[[str, Any], Fields | None]) -> list[Fields]:
    """Answer a request's partitions one by one, each with what ``action(topic, item)`` returns."""
    return [
        {
            "topic": topic.topic,
            "partitions": [
                attempted(partial(action, topic.topic, item), partition=item.partition)
                for item in topic.partitions or ()
            ],
        }
        for topic in topics or ()
    ]


def _decode(field: Any, data: BytesIO, size: int) -> Any:
    if isinstance(field, Schema):
        return SimpleNamespace(**{name: _decode(sub, data, size) for name, sub in _named(field)})
    if isinstance(field, Array):
        count = Int32.decode(data)
        if count < 0:
            return None
        if count > size - data.tell():  # every item takes at least a byte
            raise ValueError(f"array of {count} items is longer than its request")
        return [_decode(field.array_of, data, size) for _ in range(count)]
    return field.decode(data)


def _encode(field: Any, value: Any) -> Iterator[bytes]:
    if isinstance(field, Schema):
        for name, sub in _named(field):
            yield from _encode(sub, value[name] if name in value else _unset(name, sub))
    elif isinstance(field, Array):
        yield Int32.encode(-1 if value is None else len(value))
        for item in value or ():
            yield from _encode(field.array_of, item)
    elif field is Bytes and value is not None:
        yield Int32.encode(len(value))
        yield value  # not joined here: a fetched megabyte is copied once
    else:
        yield field.encode(value)


def _named(schema: Schema) -> Iterator[tuple[str, Any]]:
    for name, field in zip(schema.names, schema.fields, strict=True):
        yield _ALIASES.get(name, name), field


def _unset(name: str, field: Any) -> Any:
    if isinstance(field, Array):
        return []
    if isinstance(field, String):
        return ""
    return _UNSET.get(field, 0 if name in _ZERO_IF_UNSET else -1)
