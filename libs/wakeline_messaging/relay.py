"""The relay: sends what the outbox holds to Kafka, each key in its order."""

import asyncio
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from wakeline_events.base import ServiceName
from wakeline_events.registry import topic_of
from wakeline_messaging.envelope import Envelope
from wakeline_messaging.kafka import KafkaSettings, producer
from wakeline_messaging.refusals import in_words
from wakeline_messaging.rights import lacking, writing
from wakeline_telemetry import metrics

log = structlog.get_logger()

PAGE = 1_000
"""Rows of one pass."""
IDLE = 1.0
"""Seconds between passes when nobody rings."""
FEW = 200
"""After a pass of fewer rows the next one waits for more: a pass costs the database three commands,
however many rows it sends."""
LINGER, LONGEST_LINGER = 0.02, 0.2
"""Seconds that it waits, from the first to the longest while there is a steady trickle."""


class Relay:
    """Publishes a service's outbox.

    Every pass starts from the oldest row that is still there: paging past an id would miss rows
    whose transaction commits late. A row is deleted once Kafka has it; a kill in between sends
    it again, which a consumer's mark makes harmless, and so does a second relay.
    """

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        service: ServiceName,
        settings: KafkaSettings,
        bell: asyncio.Event | None = None,
    ) -> None:
        """Take a database's outbox.

        ``bell`` is rung by whoever writes to it, where that is this very process. Without one the
        relay listens to the database, for which mongod looks at every write that is made to it.
        """
        self._database = database
        self._outbox = database["outbox"]
        self._settings = settings
        self._topic = topic_of(service, settings.topic_prefix)
        self._rights = writing(self._topic)
        self._listens = bell is None
        self._bell = bell or asyncio.Event()
        self.trouble: str | None = "not started"
        """Why nothing can be sent at the moment; None when all is well."""

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; whatever is out of reach is tried again for ever."""
        doorbell = asyncio.create_task(self._listen()) if self._listens else None
        try:
            while not stop.is_set():
                client = producer(self._settings)
                try:
                    await client.start()
                    # A client waits for a topic that is not there, and says nothing.
                    reasons = await lacking(client.client, self._rights, self._settings.user)
                    self.trouble = "; ".join(reasons) or None
                    if self.trouble is None:
                        await self._send_all(client, stop)
                    else:
                        log.warning("relay waits", cause=self.trouble)
                        await _sleep(stop, 1.0)
                except (KafkaError, PyMongoError, OSError) as error:
                    self.trouble = await in_words(self._settings, self._rights, error)
                    log.warning("relay waits", cause=self.trouble)
                    await _sleep(stop, 1.0)
                finally:
                    await client.stop()
        finally:
            if doorbell is not None:
                doorbell.cancel()

    async def _send_all(self, client: AIOKafkaProducer, stop: asyncio.Event) -> None:
        pause = LINGER
        while not stop.is_set():
            self._bell.clear()
            sent = await self.pass_once(client)
            if sent >= FEW:
                continue
            if pause <= LONGEST_LINGER:
                await _sleep(stop, pause)
            elif await _either(self._bell, stop, pause):
                pause = LINGER
            # A bell may ring before its transaction is committed: so the pauses grow slowly.
            pause = min(2 * pause, LONGEST_LINGER if sent else IDLE)

    async def pass_once(self, client: AIOKafkaProducer) -> int:
        """Send one page and return how many rows Kafka took."""
        oldest = self._outbox.find({}, {"key": 1}, sort=[("_id", 1)], limit=PAGE)
        keys = {row["key"] async for row in oldest}
        if not keys:
            metrics.outbox_rows.set(0)
            metrics.outbox_oldest_seconds.set(0)
            return 0
        # All rows of these keys from their lowest sequence: an id does not tell the order in
        # which transactions committed, but a key's sequence does.
        rows = await self._outbox.find(
            {"key": {"$in": list(keys)}}, sort=[("key", 1), ("sequence", 1)], limit=2 * PAGE
        ).to_list()
        pending = [
            [(row, await self._send(client, row)) for row in group]
            for _, group in groupby(rows, key=lambda row: row["key"])
        ]
        done: list[Any] = []
        failure: BaseException | None = None
        for sends in pending:
            stopped = False
            for row, future in sends:
                try:
                    await future
                except KafkaError as error:
                    failure, stopped = error, True
                if not stopped:
                    done.append(row["_id"])
        if done:
            await self._outbox.delete_many({"_id": {"$in": done}})
            metrics.relayed_events_total.inc(len(done))
        if failure is not None:
            raise failure
        return len(done)

    async def _send(self, client: AIOKafkaProducer, row: dict[str, Any]) -> asyncio.Future[Any]:
        envelope = Envelope(
            topic=self._topic,
            key=row["key"],
            sequence=row["sequence"],
            id=str(row["_id"]),
            type=row["type"],
            dataschema=row["dataschema"],
            time=row["time"],
            data=bytes(row["data"]),
            trace=row["trace"],
            correlation=row["correlation"],
            snapshot=row.get("snapshot", False),
        )
        sending: asyncio.Future[Any] = await client.send(
            self._topic,
            value=envelope.data,
            key=envelope.key.encode(),
            headers=envelope.headers(),
            timestamp_ms=int(envelope.time.timestamp() * 1000),
        )
        return sending

    async def _listen(self) -> None:
        """Ring when a row is committed; only a doorbell: a pass finds every row without it."""
        while True:
            try:
                pipeline: list[dict[str, Any]] = [
                    {"$match": {"operationType": "insert"}},
                    {"$project": {"_id": 1}},
                ]
                async with await self._outbox.watch(pipeline, batch_size=PAGE) as changes:
                    async for _ in changes:
                        self._bell.set()
            except PyMongoError:
                await asyncio.sleep(1.0)


async def outbox_depth(database: AsyncDatabase[dict[str, Any]]) -> tuple[int, float]:
    """How many rows wait, and the age of the oldest in seconds."""
    depth = await database["outbox"].estimated_document_count()
    oldest = await database["outbox"].find_one({}, {"time": 1}, sort=[("_id", 1)])
    age = (datetime.now(UTC) - oldest["time"]).total_seconds() if oldest else 0.0
    return depth, max(age, 0.0)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _either(first: asyncio.Event, second: asyncio.Event, seconds: float) -> bool:
    """Whether one of them came within the time."""
    waits = [asyncio.ensure_future(event.wait()) for event in (first, second)]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()
