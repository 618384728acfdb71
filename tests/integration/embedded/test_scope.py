"""A test's corner of the servers: its own names, the services' own rights, nothing left behind."""

from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient

from wakeline_blobs import BlobAccessDeniedError, Blobs
from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope, Stack
from wakeline_testing.databases import Databases
from wakeline_testing.running import running, settings_of


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


async def test_a_database_is_left_to_the_next_test_as_its_migrations_left_it(stack: Stack) -> None:
    apart = replace(stack, databases=Databases())  # of this test, whatever others have left
    used: list[str] = []
    async with Scope.opened(apart) as scope:
        settings_of(scope, "labeling", Settings)  # nobody migrates it
    for as_made in (True, True, False, True):
        async with Scope.opened(apart) as scope:
            settings = settings_of(scope, "labeling", Settings)
            async with running(service(settings), scope, Kind.SERVE) as labeling:
                used.append(labeling.database.name)
                assert await labeling.database["tasks"].count_documents({}) == 0
                assert await labeling.database["secrets"].count_documents({}) == 1
                await labeling.database["tasks"].insert_one({"_id": 1})
                await labeling.database["secrets"].delete_many({})
                if not as_made:
                    await labeling.database["of_a_test"].insert_one({})
    assert used[0] == used[1] == used[2] != used[3]
    async with AsyncMongoClient[dict[str, Any]](stack.mongo.dsn) as client:
        assert used[0] not in await client.list_database_names()
        await client.drop_database(used[3])
