"""Servers in containers, for who prefers those: ``pip install testcontainers``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

from pymongo import AsyncMongoClient

KAFKA_IMAGE: Final = "apache/kafka:4.1.0"
MONGO_IMAGE: Final = "mongo:7.0"
MINIO_IMAGE: Final = "minio/minio:RELEASE.2025-04-22T22-12-26Z"


def wanted() -> bool:
    """Whether containers are asked for and a Docker engine answers."""
    if os.environ.get("WAKELINE_TEST_CONTAINERS") != "1":
        return False
    try:
        docker = import_module("docker")  # comes with testcontainers, as do the ones below

        return bool(docker.from_env(timeout=5).ping())
    except Exception:  # no package, no engine, no right to use it: then there are none
        return False


@asynccontextmanager
async def kafka() -> AsyncIterator[str]:
    """Apache Kafka; yields its bootstrap address."""
    kafka_container = import_module("testcontainers.kafka").KafkaContainer
    async with _running(lambda: kafka_container(KAFKA_IMAGE).with_kraft()) as container:
        yield container.get_bootstrap_server()


@asynccontextmanager
async def mongo() -> AsyncIterator[str]:
    """A replica set of one; yields its DSN."""
    docker_container = import_module("testcontainers.core.container").DockerContainer

    def described() -> Any:
        return (
            docker_container(MONGO_IMAGE)
            .with_exposed_ports(27017)
            .with_command("mongod --replSet rs0 --bind_ip_all")
        )

    async with _running(described) as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(27017)
        # direct: the member's own address is only good inside of the container's network
        dsn = f"mongodb://{host}:{port}/?directConnection=true&w=majority&journal=true"
        async with AsyncMongoClient[dict[str, Any]](dsn) as client:
            member = {"_id": 0, "host": "127.0.0.1:27017"}
            await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
            while not (await client.admin.command("hello"))["isWritablePrimary"]:
                await asyncio.sleep(0.1)
        yield dsn


@asynccontextmanager
async def s3() -> AsyncIterator[str]:
    """MinIO; yields http://KEY:SECRET@HOST:PORT."""
    minio_container = import_module("testcontainers.minio").MinioContainer
    async with _running(lambda: minio_container(MINIO_IMAGE)) as container:
        config = container.get_config()
        user, secret = quote(config["access_key"]), quote(config["secret_key"])
        yield f"http://{user}:{secret}@{config['endpoint']}"


@asynccontextmanager
async def _running(described: Callable[[], Any]) -> AsyncIterator[Any]:
    container = await asyncio.to_thread(lambda: described().start())
    try:
        yield container
    finally:
        await asyncio.to_thread(container.stop)
