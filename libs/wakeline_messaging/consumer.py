"""The consumer loop: takes batches from Kafka, and commits offsets after the transaction."""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from wakeline_messaging.envelope import (
    Envelope,
    MalformedRecordError,
    UnknownMajorError,
    from_record,
)
from wakeline_messaging.kafka import KafkaSettings, consumer
from wakeline_messaging.processing import Processor
from wakeline_messaging.replaying import Replays
from wakeline_telemetry import metrics

log = structlog.get_logger()

BATCH = 200
"""Events of one transaction at most."""
LINGER_MS = 50
"""How long a batch may wait to fill."""
SWEEP_EVERY = 1.0
"""Seconds between looks at what failed, was released or waits."""


class EventConsumer:
    """Feeds a processor from Kafka for as long as the process lives.

    Never commits an offset before its events are taken in, never waits for another topic. While
    the store is away it goes on polling with all partitions paused, so that it keeps its place in
    the group, and is not ready.
    """

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        settings: KafkaSettings,
        group: str,
        topics: list[str],
        processor: Processor,
    ) -> None:
        self._database = database
        self._settings = settings
        self._group = f"{settings.topic_prefix}.{group}"
        self._topics = topics
        self._processor = processor
        self._replays = Replays(database)
        self.trouble: str | None = "not started"
        """Why nothing is taken in at the moment; None when all is well."""

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop; the batch in hand is finished first."""
        sweeper = asyncio.create_task(self._sweep(stop))
        try:
            while not stop.is_set():
                client = consumer(self._settings, self._group)
                try:
                    client.subscribe(self._topics)
                    await client.start()
                    self.trouble = None
                    while not stop.is_set():
                        await self._turn(client, stop)
                except (KafkaError, OSError) as error:
                    self.trouble = f"{type(error).__name__}: {error}"
                    log.warning("consumer waits", cause=self.trouble)
                    await _pause(stop, 1.0)
                finally:
                    await client.stop()
        finally:
            await sweeper

    async def _turn(self, client: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        await self._replays.look(client)
        fetched = await client.getmany(timeout_ms=200, max_records=BATCH)
        if not fetched:
            return
        if sum(map(len, fetched.values())) < BATCH // 4:
            more = await client.getmany(timeout_ms=LINGER_MS, max_records=BATCH // 2)
            for partition, records in more.items():
                fetched.setdefault(partition, []).extend(records)
        envelopes = [
            envelope
            for records in fetched.values()
            for record in records
            if (envelope := await self._read(record)) is not None
        ]
        if not await self._until_taken_in(client, envelopes, stop):
            return
        await self._commit(client, {tp: records[-1].offset + 1 for tp, records in fetched.items()})
        await self._report_lag(client)

    async def _until_taken_in(
        self, client: AIOKafkaConsumer, envelopes: list[Envelope], stop: asyncio.Event
    ) -> bool:
        """Try for ever; False when the process stops first, and the batch will come again."""
        paused: set[TopicPartition] = set()
        while True:
            try:
                await self._processor.process(envelopes)
                self.trouble = None
                if paused:
                    client.resume(*(paused & client.assignment()))
                return True
            except (PyMongoError, UnknownMajorError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
                log.warning("batch waits", cause=self.trouble, events=len(envelopes))
            if stop.is_set():
                return False
            paused |= client.assignment()
            client.pause(*client.assignment())
            await client.getmany(timeout_ms=1_000)

    async def _read(self, record: Any) -> Envelope | None:
        try:
            return from_record(record.topic, record.key, record.value, list(record.headers))
        except MalformedRecordError as error:
            log.error(
                "malformed record", topic=record.topic, offset=record.offset, cause=str(error)
            )
            await self._bury(record, error)
            return None

    async def _bury(self, record: Any, error: Exception) -> None:
        """A record that is no event has no stream to hold back: it is kept for the operator."""
        row = {
            "stream": f"{record.topic}|",
            "topic": record.topic,
            "key": repr(record.key),
            "sequence": 0,
            "type": "malformed",
            "data": record.value or b"",
            "cause": str(error),
            "reason": "malformed",
            "partition": record.partition,
            "offset": record.offset,
        }
        row_id = f"{record.topic}|{record.partition}@{record.offset}"
        while True:
            try:
                await self._database["dead"].update_one({"_id": row_id}, {"$set": row}, upsert=True)
                return
            except PyMongoError as store_error:
                self.trouble = f"{type(store_error).__name__}: {store_error}"
                await asyncio.sleep(1.0)

    async def _commit(self, client: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        try:
            held = client.assignment()
            await client.commit({tp: offset for tp, offset in offsets.items() if tp in held})
        except (CommitFailedError, IllegalStateError) as error:
            # Another member has the partitions now: it will skip these events by their marks.
            log.info("offsets not committed", cause=type(error).__name__)

    async def _report_lag(self, client: AIOKafkaConsumer) -> None:
        for tp in client.assignment():
            end = client.highwater(tp)
            if end is not None:
                behind = max(0, end - await client.position(tp))
                metrics.consumer_lag.labels(tp.topic, str(tp.partition)).set(behind)

    async def _sweep(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._processor.sweep()
            except (PyMongoError, UnknownMajorError) as error:
                log.warning("sweep waits", cause=f"{type(error).__name__}: {error}")
            await _pause(stop, SWEEP_EVERY)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
