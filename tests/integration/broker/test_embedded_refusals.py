"""What the embedded broker refuses, and what it therefore never stores."""

import asyncio
import struct
import subprocess
import sys

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.transaction import InitProducerIdRequest_v0
from tests.integration.broker.kit import (
    TOPIC,
    Start,
    admin_of,
    batch_of,
    create_topic,
    raw,
    values_in,
)

pytestmark = pytest.mark.kafka


async def test_broken_batches_are_refused_and_nothing_is_stored(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    good = batch_of(b"value")
    flipped = bytearray(good)
    flipped[-1] ^= 1
    miscounted = bytearray(good)
    struct.pack_into(">i", miscounted, 57, 5)
    async with raw(broker) as connection:
        for broken, code in [
            (flipped, 2),
            (miscounted, 2),
            (good[:-1], 2),
            (good + good, 87),
            (good[:16] + b"\x01" + good[17:], 43),
            (b"", 2),
            (b"\0" * 100, 43),
        ]:
            assert (await connection.produce(bytes(broken)))[0] == code
        assert await connection.produce(good) == (0, 0)
    assert await values_in(broker) == [b"value"]


async def test_repeated_batch_is_stored_once_even_after_a_crash(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    batches = [batch_of(b"%d" % i, producer=(77, 0, i)) for i in range(4)]
    async with raw(broker) as connection:
        assert [await connection.produce(b) for b in batches] == [(0, i) for i in range(4)]
        assert await connection.produce(batches[2]) == (0, 2)
    broker.kill()
    broker.start()
    async with raw(broker) as connection:
        assert await connection.produce(batches[3]) == (0, 3)
        gap = batch_of(b"gap", producer=(77, 0, 9))
        assert (await connection.produce(gap))[0] == 45
        assert await connection.produce(batch_of(b"epoch", producer=(77, 1, 0))) == (0, 4)
        assert (await connection.produce(batches[3]))[0] == 47, "an old epoch is fenced"
    assert await values_in(broker) == [b"0", b"1", b"2", b"3", b"epoch"]


async def test_producer_ids_are_never_given_twice(embedded: Start) -> None:
    broker = embedded()
    ids = []
    for _ in range(3):
        async with raw(broker) as connection:
            for _ in range(3):
                answer = await connection.call(InitProducerIdRequest_v0(None, 0))
                ids.append(answer.producer_id)
        broker.kill()
        broker.start()
    assert len(set(ids)) == 9


async def test_transactions_are_refused_by_both_clients(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="t")
    with pytest.raises(KafkaError):
        await asyncio.wait_for(producer.start(), 20)
    await producer.stop()
    other = confluent_kafka.Producer(
        {"bootstrap.servers": broker.bootstrap, "transactional.id": "t"}
    )
    with pytest.raises(confluent_kafka.KafkaException, match="TRANSACTIONAL_ID_AUTHORIZATION"):
        await asyncio.to_thread(other.init_transactions, 20)
    async with raw(broker) as connection:
        assert (await connection.produce(batch_of(b"v"), transactional_id="t"))[0] == 53


@pytest.mark.parametrize(
    "configs", [{"cleanup_policy": "compact"}, {"message_timestamp_type": "LogAppendTime"}]
)
async def test_unsupported_configs_are_refused(embedded: Start, configs: dict[str, str]) -> None:
    broker = embedded()
    async with admin_of(broker) as admin:
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        answer = await admin.create_topics([NewTopic(TOPIC, 1, 1, topic_configs=dotted)])
    _, code, message = answer.topic_errors[0]
    assert for_code(code).__name__ == "InvalidConfigurationError"
    assert "does not support" in message


async def test_second_broker_on_the_same_folder_is_refused(embedded: Start) -> None:
    broker = embedded()
    command = [sys.executable, "-m", "wakeline_embedded.broker", "--port", "0", "--data"]
    second = await asyncio.create_subprocess_exec(
        *command, str(broker.folder), stderr=subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(second.communicate(), 10)
    assert second.returncode == 1
    assert b"another broker is running" in errors
