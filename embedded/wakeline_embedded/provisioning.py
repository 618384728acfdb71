"""What the servers must hold before a service starts: topics and buckets."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient

from wakeline_blobs import BUCKETS, BlobSettings
from wakeline_blobs.client import connect
from wakeline_messaging import KafkaSettings, create_topics

_REPLICAS = 3
"""Copies of a topic, where there are as many brokers."""


async def make_topics(bootstrap: str) -> None:
    """Create the platform's topics, as far as they aren't there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        brokers = len((await admin.describe_cluster())["brokers"])
    finally:
        await admin.close()
    await create_topics(KafkaSettings(bootstrap=bootstrap, replication=min(_REPLICAS, brokers)))


async def make_buckets(settings: BlobSettings) -> None:
    """Create the platform's buckets, as far as they aren't there."""

    def make() -> None:
        client = connect(settings)
        for bucket in BUCKETS:
            if not client.bucket_exists(bucket_name=bucket):
                client.make_bucket(bucket_name=bucket)

    await asyncio.to_thread(make)
