"""What a consumer asks of its Kafka client while the store is away."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY
from pymongo.errors import AutoReconnect

from wakeline_messaging import EventConsumer, KafkaSettings, Processor
from wakeline_messaging.consumer import STUCK, _Batch
from wakeline_telemetry import metrics

HELD, ASSIGNED = TopicPartition("t", 0), TopicPartition("t", 1)


class Client:
    """Is assigned a second partition, unpaused, while the first one is paused."""

    def __init__(self) -> None:
        self.partitions = {HELD}
        self.position = {ASSIGNED: 7}
        self.paused: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return self.partitions

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position[partition] = offset

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        if self.partitions == {HELD}:
            self.partitions = {HELD, ASSIGNED}
            self.position[ASSIGNED] = 9
            return {ASSIGNED: [SimpleNamespace(offset=7), SimpleNamespace(offset=8)]}
        assert self.paused == self.partitions
        return {}

    async def end_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        raise KafkaError("nobody asks")


class AwayForAWhile:
    tries = 0

    async def process(self, events: Any) -> None:
        self.tries += 1
        if self.tries < 4:
            raise AutoReconnect("the store is away")


def test_records_of_a_partition_assigned_while_the_store_is_away_are_sought_back() -> None:
    client, processor = Client(), AwayForAWhile()
    consumer = _consumer(processor)
    batch = _Batch({HELD: 0}, {HELD: 1})
    taken_in = asyncio.run(
        consumer._until_taken_in(cast(AIOKafkaConsumer, client), batch, asyncio.Event())
    )
    assert taken_in
    assert processor.tries == 4
    assert client.position[ASSIGNED] == 7
    assert not client.paused


def test_a_consumer_that_does_not_come_back_for_more_is_not_ready() -> None:
    consumer = _consumer()
    assert consumer.trouble == "not started"
    consumer._goes_on()
    assert consumer.trouble is None
    consumer._back_at -= STUCK + 1
    assert "come back" in (consumer.trouble or "")


def test_a_consumer_says_how_many_partitions_it_holds_also_while_no_broker_answers() -> None:
    client = Client()
    consumer = _consumer()
    asyncio.run(consumer._measure_lag(cast(AIOKafkaConsumer, client), {}))
    assert _partitions_said() == 1
    consumer._next_measure = 0.0
    client.partitions = set()
    asyncio.run(consumer._measure_lag(cast(AIOKafkaConsumer, client), {}))
    assert _partitions_said() == 0


async def _without_a_broker(consumer: EventConsumer) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(consumer._consume(stop))
    while consumer.trouble in (None, "not started"):
        await asyncio.sleep(0.01)
    stop.set()
    await running


def test_a_consumer_that_has_left_its_group_says_that_it_holds_no_partition() -> None:
    metrics.consumer_partitions.set(4)
    asyncio.run(_without_a_broker(_consumer()))
    assert _partitions_said() == 0


def _consumer(processor: AwayForAWhile | None = None) -> EventConsumer:
    database: Any = {"replays": None}
    settings = KafkaSettings(bootstrap="127.0.0.1:1")
    using = cast(Processor, processor or AwayForAWhile())
    return EventConsumer(database, settings, "g", ["t"], using)


def _partitions_said() -> float | None:
    return REGISTRY.get_sample_value("wakeline_consumer_partitions")
