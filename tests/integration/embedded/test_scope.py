"""A test's corner of the servers: its own names, the services' own rights, nothing left behind."""

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient

from wakeline_blobs import BlobAccessDeniedError, Blobs
from wakeline_testing import Scope, Stack


async def test_a_topic_of_a_scope_takes_and_gives_records(scope: Scope) -> None:
    topic = await scope.topic("labeling")
    producer = AIOKafkaProducer(bootstrap_servers=scope.kafka_bootstrap, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, b"hello", key=b"k")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=scope.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        assert (await consumer.getone()).value == b"hello"
    finally:
        await consumer.stop()


async def test_each_service_reaches_only_its_own_buckets(scope: Scope) -> None:
    if not scope.stack.s3.services:
        pytest.skip("the store was given with one credential")
    await scope.make_buckets("assets", "models")
    ingest, training = Blobs(scope.blobs("ingest")), Blobs(scope.blobs("training"))
    await ingest.put("assets", "a/b", b"pixels", "image/png")
    assert await training.get("assets", "a/b") == b"pixels"
    with pytest.raises(BlobAccessDeniedError):
        await ingest.put("models", "x-assets/sly", b"weights", "application/octet-stream")
    with pytest.raises(BlobAccessDeniedError):
        await training.put("assets", "a/c", b"pixels", "image/png")


async def test_a_dropped_scope_leaves_nothing_behind(stack: Stack) -> None:
    async with AsyncMongoClient[dict[str, Any]](stack.mongo.dsn) as client:
        async with Scope.opened(stack) as scope:
            await client[scope.database("labeling")]["tasks"].insert_one({"_id": 1})
            await scope.topic("labeling")
            await scope.make_buckets("assets")
            await Blobs(scope.blobs()).put("assets", "a", b"1", "text/plain")
        names = await client.list_database_names()
    assert not [name for name in names if name.startswith(scope.name)]
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap)
    await consumer.start()
    topics = await consumer.topics()
    await consumer.stop()
    assert not [topic for topic in topics if topic.startswith(scope.name)]
