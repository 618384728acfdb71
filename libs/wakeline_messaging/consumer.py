"""The consumer loop: takes batches from Kafka, and commits offsets after the transaction."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import chain
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
from wakeline_messaging.processing import BATCH, Processor
from wakeline_messaging.refusals import in_words, what_is_wrong
from wakeline_messaging.replaying import Replays
from wakeline_messaging.rights import reading
from wakeline_telemetry import metrics

log = structlog.get_logger()

FEW = 50
"""Fewer events are a small batch."""
SLOW = 5.0
"""Seconds after which it is asked why a consumer has not joined its group yet."""
STUCK = 60.0
"""Seconds in one batch, or in Kafka's client, after which a consumer is not ready."""
LINGER, LONGEST_LINGER = 0.05, 0.25
"""Seconds that a small batch waits for more, as `getmany` itself returns with the first record: not
at all after a quiet moment, then from the first to the longest while events trickle in."""
MEASURE_EVERY = 5.0
"""Seconds between looks at the lag."""
YIELD_EVERY = 20
"""Records read in one go: the transaction that is under way waits for so many at most."""
SWEEP_EVERY = 1.0
"""Seconds between looks at what failed, was released or waits."""


@dataclass
class _Batch:
    """What one transaction takes in."""

    begins: dict[TopicPartition, int]
    """Offsets of the first records."""
    ends: dict[TopicPartition, int]
    """Offsets to commit afterwards."""
    envelopes: list[Envelope] = field(default_factory=list)


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
        self._rights = reading(topics, self._group)
        self._processor = processor
        self._replays = Replays(database)
        self._next_measure = 0.0
        self._linger = 0.0
        self._trouble: str | None = "not started"
        self._back_at = time.monotonic()
        metrics.consumer_silent_seconds.set_function(self._silent_seconds)

    @property
    def trouble(self) -> str | None:
        """Why nothing is taken in at the moment; None when all is well."""
        if self._trouble is None and (silent := self._silent_seconds()) > STUCK:
            return f"it has not come back for more events for {silent:.0f} s"
        return self._trouble

    def _silent_seconds(self) -> float:
        """Since it last came back for more events."""
        return time.monotonic() - self._back_at

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop; the batch in hand is finished first.

        An error that nobody foresaw ends it, and the process with it: a consumer that stands
        still and says that it is ready would be worse.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep(stop))
            group.create_task(self._consume(stop))

    async def _consume(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            client = consumer(self._settings, self._group)
            try:
                client.subscribe(self._topics)
                if not await self._start(client, stop):
                    return
                self._goes_on()
                await self._take_turns(client, stop)
            except (KafkaError, OSError) as error:
                self._waits("broker", await in_words(self._settings, self._rights, error))
                await _pause(stop, 1.0)
            finally:
                metrics.consumer_partitions.set(0)
                await client.stop()

    async def _start(self, client: AIOKafkaConsumer, stop: asyncio.Event) -> bool:
        """Join the group; False when the process stops first.

        A client waits for a topic that is not there, and says nothing: so it is asked about.
        """
        starting = asyncio.create_task(client.start())
        stopping = asyncio.create_task(stop.wait())
        try:
            while True:
                waited = {starting, stopping}
                await asyncio.wait(waited, timeout=SLOW, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    await starting
                    return True
                if stopping.done():
                    return False
                if why := await what_is_wrong(self._settings, self._rights):
                    self._waits("broker", why)
        finally:
            stopping.cancel()
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})

    async def _take_turns(self, client: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        """Take in batch after batch; the next one is fetched and read while one is stored.

        Once a second nothing is fetched ahead: only between two batches may a partition turn back.
        """
        following: asyncio.Task[_Batch] | None = None
        try:
            while not stop.is_set():
                if following is None:
                    await self._replays.look(client)
                    await self._measure_lag(client, {})
                    following = asyncio.create_task(self._fetch(client))
                batch = await following
                self._back_at = time.monotonic()
                due = self._replays.is_look_due()
                following = None if due else asyncio.create_task(self._fetch(client))
                if not batch.ends:
                    continue
                if not await self._until_taken_in(client, batch, stop):
                    return
                await self._commit(client, batch.ends)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _fetch(self, client: AIOKafkaConsumer) -> _Batch:
        """What came within the time of a poll, up to a batch."""
        fetched = await client.getmany(timeout_ms=200, max_records=BATCH)
        if not fetched:
            self._linger = 0.0
        elif sum(map(len, fetched.values())) < FEW:
            await asyncio.sleep(self._linger)
            self._linger = min(max(2 * self._linger, LINGER), LONGEST_LINGER)
            more = await client.getmany(timeout_ms=0, max_records=BATCH - FEW)
            for partition, records in more.items():
                fetched.setdefault(partition, []).extend(records)
        batch = _Batch(
            begins={tp: records[0].offset for tp, records in fetched.items()},
            ends={tp: records[-1].offset + 1 for tp, records in fetched.items()},
        )
        for number, record in enumerate(chain.from_iterable(fetched.values())):
            if (envelope := await self._read(record)) is not None:
                self._processor.decode(envelope)
                batch.envelopes.append(envelope)
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return batch

    async def _until_taken_in(
        self, client: AIOKafkaConsumer, batch: _Batch, stop: asyncio.Event
    ) -> bool:
        """Try for ever; False when the process stops first, and the batch will come again."""
        paused: set[TopicPartition] = set()
        while True:
            try:
                await self._processor.process(batch.envelopes)
                self._goes_on()
                if paused:
                    client.resume(*(paused & client.assignment()))
                return True
            except UnknownMajorError as error:
                self._waits("newer-release", _named(error))
            except PyMongoError as error:
                self._waits("store", _named(error))
            if stop.is_set():
                return False
            paused |= client.assignment()
            client.pause(*client.assignment())
            self._back_at = time.monotonic()
            for tp, records in (await client.getmany(timeout_ms=1_000)).items():
                client.seek(tp, records[0].offset)  # assigned since the pause: they come again
            await self._measure_lag(client, batch.begins)

    def _waits(self, cause: str, why: str) -> None:
        self._trouble = why
        metrics.consumer_waits.clear()
        metrics.consumer_waits.labels(cause).set(1)
        log.warning("consumer waits", cause=why)

    def _goes_on(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._back_at = time.monotonic()
            metrics.consumer_waits.clear()

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
                self._waits("store", _named(store_error))
                await asyncio.sleep(1.0)

    async def _commit(self, client: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        try:
            held = client.assignment()
            await client.commit({tp: offset for tp, offset in offsets.items() if tp in held})
        except (CommitFailedError, IllegalStateError) as error:
            # Another member has the partitions now: it will skip these events by their marks.
            log.info("offsets not committed", cause=type(error).__name__)

    async def _measure_lag(
        self, client: AIOKafkaConsumer, begins: dict[TopicPartition, int]
    ) -> None:
        """Say how far behind each partition held here is, also while nothing is taken in.

        ``begins`` tells where the batch in hand begins, which the client's position is past.
        """
        now = asyncio.get_running_loop().time()
        if now < self._next_measure:
            return
        self._next_measure = now + MEASURE_EVERY
        held = client.assignment()
        metrics.consumer_partitions.set(len(held))
        try:
            async with asyncio.timeout(1.0):
                ends = await client.end_offsets(held)
                at = {tp: begins.get(tp, await client.position(tp)) for tp in ends}
        except (KafkaError, TimeoutError):
            return  # the gauges stay: whoever reads them sees the broker's own alert
        metrics.consumer_lag.clear()  # of partitions that another process holds now
        for tp, end in ends.items():
            metrics.consumer_lag.labels(tp.topic, str(tp.partition)).set(max(0, end - at[tp]))

    async def _sweep(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._processor.sweep()
            except (PyMongoError, UnknownMajorError) as error:
                log.warning("sweep waits", cause=f"{type(error).__name__}: {error}")
            await _pause(stop, SWEEP_EVERY)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
