"""Requests about records: produce, fetch, list offsets."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, NamedTuple

from wakeline_embedded.broker.errors import NO_TRANSACTIONS, Code, RefusedError
from wakeline_embedded.broker.files import Flusher
from wakeline_embedded.broker.log import PartitionLog
from wakeline_embedded.broker.protocol import Fields, Request, per_partition
from wakeline_embedded.broker.topics import Topics

log = logging.getLogger(__name__)

_MAX_FETCH_BYTES = 16 << 20
_MAX_WAIT_MS = 60_000
_LATEST, _EARLIEST = -1, -2


class _Reading(NamedTuple):
    fields: Fields
    suffices: bool
    logs: list[PartitionLog]


class RecordApi:
    """Handlers for records; each is named as in ``protocol.APIS``."""

    def __init__(self, topics: Topics, flusher: Flusher) -> None:
        self._topics = topics
        self._flusher = flusher

    def produce(self, request: Request) -> Fields | Awaitable[Fields] | None:
        body = request.body
        written: set[int] = set()

        def append(topic: str, item: Any) -> Fields:
            if body.transactional_id is not None:
                raise RefusedError(Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS)
            if body.required_acks not in (-1, 0, 1):
                raise RefusedError(Code.INVALID_REQUIRED_ACKS, f"acks={body.required_acks}")
            partition_log = self._topics.partition(topic, item.partition)
            try:
                offset = partition_log.append(item.messages)
            except OSError as error:
                log.exception("cannot write to %s-%d", topic, item.partition)
                raise RefusedError(Code.KAFKA_STORAGE_ERROR, str(error)) from error
            written.update(partition_log.fds)
            return {"offset": offset, "log_start_offset": partition_log.start_offset}

        answer = {"topics": per_partition(body.topics, append)}
        if body.required_acks == 0:
            return None
        return self._flusher.settled(answer, written) if self._flusher.enabled else answer

    def fetch(self, request: Request) -> Fields | Awaitable[Fields]:
        reading = self._read(request.body)
        if reading.suffices or request.body.max_wait_time <= 0:
            return reading.fields
        return self._wait_for_records(request.body, reading.logs)

    def list_offsets(self, request: Request) -> Fields:
        return {"topics": per_partition(request.body.topics, self._find_offset)}

    def _read(self, body: Any) -> _Reading:
        room = min(body.max_bytes, _MAX_FETCH_BYTES)
        size = 0
        logs = []

        def read(topic: str, item: Any) -> Fields:
            nonlocal size
            partition_log = self._topics.partition(topic, item.partition)
            limit = min(item.max_bytes, room - size)
            records = partition_log.read(item.offset, limit, at_least_one=size == 0)
            size += len(records)
            logs.append(partition_log)
            return {
                "message_set": records,
                "highwater_offset": partition_log.end_offset,
                "last_stable_offset": partition_log.end_offset,
                "log_start_offset": partition_log.start_offset,
            }

        answers = per_partition(body.topics, read)
        for topic in answers:
            topic["topics"] = topic["topic"]  # the schema's name for it
        asked = sum(len(topic["partitions"]) for topic in answers)
        suffices = size >= body.min_bytes or not logs or len(logs) < asked
        return _Reading({"topics": answers}, suffices, logs)

    async def _wait_for_records(self, body: Any, logs: list[PartitionLog]) -> Fields:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(body.max_wait_time, _MAX_WAIT_MS) / 1000
        while True:
            change: asyncio.Future[None] = loop.create_future()
            for partition_log in logs:
                partition_log.watch(change)
            try:
                reading = self._read(body)
                left = deadline - loop.time()
                if reading.suffices or left <= 0:
                    return reading.fields
                await asyncio.wait([change], timeout=left)
            finally:
                for partition_log in logs:
                    partition_log.unwatch(change)

    def _find_offset(self, topic: str, item: Any) -> Fields:
        partition_log = self._topics.partition(topic, item.partition)
        if item.timestamp == _LATEST:
            return {"offset": partition_log.end_offset}
        if item.timestamp == _EARLIEST:
            return {"offset": partition_log.start_offset}
        found = partition_log.find_time(item.timestamp)
        return {"offset": found[0], "timestamp": found[1]} if found else {}
