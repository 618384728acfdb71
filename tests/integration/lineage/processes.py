"""Processes of the lineage service beside the one in the test, to be killed."""

import asyncio
import os
import sys
from pathlib import Path

import orjson

from wakeline_embedded.ports import free_port
from wakeline_lineage.settings import Settings
from wakeline_testing.running import ISSUER


def environment(settings: Settings) -> dict[str, str]:
    """Settings of a process of its own beside the one in the test."""
    own = {
        "MONGO__DSN": settings.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": settings.mongo.database,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "BLOBS__ENDPOINT": settings.blobs.endpoint,
        "BLOBS__ACCESS_KEY": settings.blobs.access_key,
        "BLOBS__SECRET_KEY": settings.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": settings.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": str(free_port()),
    }
    return os.environ | {f"WAKELINE_LINEAGE_{name}": value for name, value in own.items()}


async def started(
    settings: Settings, kind: str, log: Path, extra: dict[str, str] | None = None
) -> asyncio.subprocess.Process:
    """A process of the service."""
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wakeline_lineage", kind),
            env=environment(settings) | (extra or {}),
            stdout=out,
            stderr=out,
        )
