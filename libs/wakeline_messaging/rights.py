"""What a service must be allowed on Kafka, and what the brokers say that it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from wakeline_events.base import ServiceName
from wakeline_events.registry import PRODUCERS, topic_of
from wakeline_messaging.handlers import Handlers


class Operation(IntEnum):
    """What a right allows, as Kafka numbers it. Who may read or write may describe too, and who
    may write a topic may do so idempotently (Kafka 3.0 or newer)."""

    READ = 3
    WRITE = 4


@dataclass(frozen=True, order=True)
class Right:
    """One operation on one topic or consumer group: what one ACL allows."""

    resource: Literal["topic", "group"]
    name: str
    operation: Operation


def reading(topics: Iterable[str], group: str) -> tuple[Right, ...]:
    """What a consumer of these topics needs."""
    rights = [Right("topic", topic, Operation.READ) for topic in sorted(topics)]
    return (*rights, Right("group", group, Operation.READ)) if rights else ()


def writing(topic: str) -> tuple[Right, ...]:
    """What a relay to this topic needs."""
    return (Right("topic", topic, Operation.WRITE),)


def rights_of(
    service: ServiceName, handlers: Handlers | None, prefix: str = "wakeline"
) -> tuple[Right, ...]:
    """Everything that a service needs, and nothing more: as its own table of handlers says.

    ``prefix`` stands before the dot of every topic and group.
    """
    read = reading(handlers.topics(prefix), f"{prefix}.{service}") if handlers is not None else ()
    written = writing(topic_of(service, prefix)) if service in PRODUCERS else ()
    return (*read, *written)


async def lacking(client: AIOKafkaClient, rights: Sequence[Right], user: str) -> list[str]:
    """Say of each right that the brokers do not give this client what is to be done about it.

    Nothing is read or written. A broker that does not tell (one without ACLs may not) passes for
    one that allows everything.

    Raises
    ------
    aiokafka.errors.KafkaError
        If no broker answers.
    """
    reasons: list[str] = []
    topics = await _topics(client, {right.name for right in rights if right.resource == "topic"})
    names = {right.name for right in rights if right.resource == "group"}
    groups = {name: await _group(client, name) for name in names}
    for right in rights:
        found = (topics if right.resource == "topic" else groups)[right.name]
        if found == _MISSING:
            reasons.append(f"there is no Kafka topic '{right.name}': create it, no service does")
        elif found != _NOT_TOLD and not found >> right.operation & 1:
            reasons.append(
                f"Kafka user {user} may not {right.operation.name} {right.resource} "
                f"'{right.name}': add an ACL that allows it"
            )
    return reasons


async def needless(
    client: AIOKafkaClient, rights: Sequence[Right], topics: Iterable[str]
) -> list[str]:
    """Say of each topic what this client may do there beside what it needs, if the brokers tell."""
    needed = {right.name: _DESCRIBE for right in rights if right.resource == "topic"}
    for right in rights:
        if right.resource == "topic":
            needed[right.name] |= 1 << right.operation
    return [
        f"{', '.join(_NAMES[bit] for bit in _NAMES if more >> bit & 1)} topic '{topic}'"
        for topic, found in (await _topics(client, topics)).items()
        if found not in (_MISSING, _NOT_TOLD) and (more := found & ~needed.get(topic, _DESCRIBE))
    ]


_DESCRIBE: Final = 1 << 8 | 1 << 10
"""To see a topic and its settings is no harm."""
_NAMES: Final = {3: "READ", 4: "WRITE", 5: "CREATE", 6: "DELETE", 7: "ALTER", 11: "ALTER_CONFIGS"}
_NOT_TOLD: Final = -(2**31)
_MISSING: Final = -1


async def _topics(client: AIOKafkaClient, names: Iterable[str]) -> dict[str, int]:
    """A bit for each operation that is allowed on a topic, ``_MISSING`` or ``_NOT_TOLD``."""
    wanted = sorted(names)
    if not wanted:
        return {}
    try:
        answer = await client.send(client.get_random_node(), _WhatMayIDoWithTopics(wanted))
    except NotImplementedError:  # an older broker, or the embedded one
        return dict.fromkeys(wanted, _NOT_TOLD)
    told: dict[str, int] = {}
    for code, topic, _, _, operations in answer.topics:
        error = for_code(code)
        if error is TopicAuthorizationFailedError:
            told[topic] = 0
        elif error is UnknownTopicOrPartitionError:
            told[topic] = _MISSING
        elif error is NoError:
            told[topic] = operations
        else:
            raise error(topic)
    return told


async def _group(client: AIOKafkaClient, name: str) -> int:
    try:
        node = await client.coordinator_lookup(CoordinationType.GROUP, name)
        answer = await client.send(node, _WhatMayIDoWithGroup(name))
    except GroupAuthorizationFailedError:
        return 0
    except NotImplementedError:
        return _NOT_TOLD
    ((code, *_, operations),) = answer.groups
    error = for_code(code)
    if error is GroupAuthorizationFailedError:
        return 0
    if issubclass(error, KafkaError) and error is not NoError:
        raise error(name)
    return int(operations)


# aiokafka's own structures end before the versions that tell what the client may do.
_BROKER = Array(
    ("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))
)
_PARTITION = Array(
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", Array(Int32)),
    ("isr", Array(Int32)),
    ("offline_replicas", Array(Int32)),
)


class _MetadataResponse_v8(Response):  # type: ignore[misc]  # noqa: N801
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", _BROKER),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                ("partitions", _PARTITION),
                ("authorized_operations", Int32),
            ),
        ),
        ("authorized_operations", Int32),
    )


class _MetadataRequest_v8(RequestStruct):  # type: ignore[misc]  # noqa: N801
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse_v8
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _WhatMayIDoWithTopics(Request[_MetadataRequest_v8]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequest_v8]) -> _MetadataRequest_v8:
        return request_struct_class(self._topics, False, False, True)


class _DescribeGroupsRequest_v3(RequestStruct):  # type: ignore[misc]  # noqa: N801
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3  # aiokafka's own request names that of version 2
    SCHEMA = DescribeGroupsRequest_v3.SCHEMA


class _WhatMayIDoWithGroup(Request[_DescribeGroupsRequest_v3]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(
        self, request_struct_class: type[_DescribeGroupsRequest_v3]
    ) -> _DescribeGroupsRequest_v3:
        return request_struct_class([self._group], True)
