"""Topics and their configs, as services may rely on them in any Kafka, a real one too."""

import asyncio
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidPartitionsError,
    KafkaError,
    for_code,
)
from tests.integration.broker.conftest import Client, MakeTopic, Message, eventually
from tests.integration.broker.kit import NOW_MS, consumer_of

pytestmark = pytest.mark.kafka


async def test_topics_are_created_grown_and_deleted(admin: AIOKafkaAdminClient, name: str) -> None:
    def error_of(answer: Any) -> str:
        return str(for_code(answer.topic_errors[0][1]).__name__)

    async def has_five() -> bool:
        return len((await admin.describe_topics([name]))[0]["partitions"]) == 5

    async def gone() -> bool:
        return name not in await admin.list_topics()

    assert error_of(await admin.create_topics([NewTopic(name, 2, 1)])) == "NoError"
    assert error_of(await admin.create_topics([NewTopic(name, 2, 1)])) == "TopicAlreadyExistsError"
    too_many = await admin.create_topics([NewTopic(name + "-3", 1, 3)])
    assert error_of(too_many) == "InvalidReplicationFactorError"
    illegal = await admin.create_topics([NewTopic("no/slashes", 1, 1)])
    assert error_of(illegal) == "InvalidTopicError"
    assert error_of(await admin.create_partitions({name: NewPartitions(5)})) == "NoError"
    await eventually(has_five, 5)
    with pytest.raises(InvalidPartitionsError):
        await admin.create_partitions({name: NewPartitions(3)})
    answer = await admin.delete_topics([name])
    assert answer.topic_error_codes[0][1] == 0
    await eventually(gone, 5)
    assert (await admin.delete_topics([name])).topic_error_codes[0][1] == 3


async def test_deleted_topic_of_the_same_name_begins_anew(
    bootstrap: str, admin: AIOKafkaAdminClient, make_topic: MakeTopic, aiokafka: Client, name: str
) -> None:
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    await aiokafka.write(topic, [Message(b"old")] * 3)
    async with consumer_of(bootstrap, group=name) as consumer:
        consumer.assign([partition])
        await consumer.commit({partition: 3})
    await admin.delete_topics([topic])

    async def gone() -> bool:
        return topic not in await admin.list_topics()

    await eventually(gone, 5)
    await asyncio.sleep(0.5)  # a real cluster forgets the group's offsets a little later
    await make_topic()
    await aiokafka.write(topic, [Message(b"new")])
    async with consumer_of(bootstrap, group=name) as consumer:
        consumer.assign([partition])
        record = await asyncio.wait_for(consumer.getone(), 10)
        assert (record.offset, record.value) == (0, b"new")


async def configs_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """Return a topic's configurations with their values."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_configs_are_described_and_altered(
    admin: AIOKafkaAdminClient, make_topic: MakeTopic, name: str
) -> None:
    await make_topic(configs={"retention.ms": "86400000", "max.message.bytes": "5000"})
    configs = await configs_of(admin, name)
    assert configs["retention.ms"] == "86400000"
    assert configs["max.message.bytes"] == "5000"
    assert configs["cleanup.policy"] == "delete"
    change = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "3600000"})
    (answer,) = await admin.alter_configs([change])
    assert answer.resources[0][0] == 0

    async def altered() -> bool:
        return (await configs_of(admin, name))["retention.ms"] == "3600000"

    await eventually(altered, 5)
    configs = await configs_of(admin, name)
    assert configs["max.message.bytes"] != "5000", "what is not named goes back to its default"


@pytest.mark.parametrize(
    "configs", [{"retention.ms": "soon"}, {"no.such.config": "1"}, {"cleanup.policy": "burn"}]
)
async def test_senseless_configs_are_refused(
    admin: AIOKafkaAdminClient, name: str, configs: dict[str, str]
) -> None:
    answer = await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
    assert for_code(answer.topic_errors[0][1]).__name__ == "InvalidConfigurationError"
    assert name not in await admin.list_topics()


async def test_deleted_records_are_gone_and_the_others_stay(
    bootstrap: str, admin: AIOKafkaAdminClient, make_topic: MakeTopic, aiokafka: Client
) -> None:
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    await aiokafka.write(topic, [Message(b"%d" % i) for i in range(10)])
    assert await admin.delete_records({partition: RecordsToDelete(6)}) == {partition: 6}
    async with consumer_of(bootstrap, topic) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 6}
        assert await consumer.end_offsets([partition]) == {partition: 10}
        assert (await asyncio.wait_for(consumer.getone(), 10)).offset == 6
        first = await consumer.offsets_for_times({partition: NOW_MS - 60_000})
        assert first[partition].offset == 6
    await admin.delete_records({partition: RecordsToDelete(-1)})
    assert await aiokafka.write(topic, [Message(b"next")]) == [10]


async def test_unknown_topic_is_an_error_and_is_not_created(
    bootstrap: str, admin: AIOKafkaAdminClient, name: str
) -> None:
    with pytest.raises(KafkaError):
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap, request_timeout_ms=1500
        ) as producer:
            await producer.send_and_wait(name, b"nobody there")
    failures: list[Any] = []
    librdkafka = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "topic.metadata.propagation.max.ms": 1000}
    )
    librdkafka.produce(name, b"nobody", on_delivery=lambda error, _: failures.append(error))
    await asyncio.to_thread(librdkafka.flush, 15)
    assert [f.name() for f in failures] in (["_UNKNOWN_TOPIC"], ["UNKNOWN_TOPIC_OR_PART"])
    assert name not in await admin.list_topics()
