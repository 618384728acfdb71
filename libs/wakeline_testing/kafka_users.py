"""Users and ACLs of a Kafka that enforces them, made and taken away as its administrator does."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from wakeline_messaging.kafka import KafkaSettings, client_options
from wakeline_messaging.rights import Right

_RESOURCES: Final = {"topic": 2, "group": 3}
_LITERAL, _ALLOW, _SCRAM_SHA_512, _ITERATIONS = 3, 3, 2, 4096


class KafkaUsers:
    """What an administrator does to a Kafka before Wakeline comes."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def of(cls, administrator: KafkaSettings) -> AsyncIterator[KafkaUsers]:
        """Connect as somebody who may do everything."""
        client = AIOKafkaClient(**client_options(administrator))
        await client.bootstrap()
        try:
            yield cls(client)
        finally:
            await client.close()

    async def add(self, user: str, password: str) -> None:
        """Make a user who logs in by SCRAM-SHA-512, or give one a new password."""
        salt = secrets.token_bytes(16)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
        upsertion: tuple[Any, ...] = (user, _SCRAM_SHA_512, _ITERATIONS, salt, salted, {})
        answer = await self._send(_AlterUsers(upsertion))
        for _, code, message, _ in answer.results:
            _raise_for(code, message)

    async def allow(self, user: str, *rights: Right) -> None:
        """Add an ACL for each right."""
        for right in rights:
            answer = await self._send(CreateAclsRequest(*_acl(user, right)))
            for code, message in answer.creation_responses:
                _raise_for(code, message)

    async def take_away(self, user: str, right: Right) -> None:
        """Remove the ACL of a right.

        Raises
        ------
        LookupError
            If there was none.
        """
        answer = await self._send(DeleteAclsRequest(*_acl(user, right)))
        for code, message, found in answer.filter_responses:
            _raise_for(code, message)
            if not found:
                raise LookupError(f"{user} had no ACL for {right}")

    async def _send(self, request: Request[Any]) -> Any:
        return await self._client.send(self._client.get_random_node(), request)


def _acl(user: str, right: Right) -> tuple[int, str, int, str, str, int, int]:
    resource = _RESOURCES[right.resource]
    return resource, right.name, _LITERAL, f"User:{user}", "*", right.operation, _ALLOW


def _raise_for(code: int, message: str | None) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(message)


class _AlterUsersResponse_v0(Response):  # type: ignore[misc]  # noqa: N801
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsersRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterUsersResponse_v0
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(
                ("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)
            ),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsers(Request[_AlterUsersRequest_v0]):  # type: ignore[misc]
    API_KEY = 51

    def __init__(self, *upsertions: tuple[Any, ...]) -> None:
        self._upsertions = list(upsertions)

    def build(self, request_struct_class: type[_AlterUsersRequest_v0]) -> _AlterUsersRequest_v0:
        return request_struct_class([], self._upsertions, {})
