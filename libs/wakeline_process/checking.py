"""Whether a service has everything it needs: what ``check`` says, in words that can be acted on."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka.errors import KafkaError

from wakeline_auth import KeysUnavailableError, Verifier
from wakeline_blobs import probing
from wakeline_http import readiness_of
from wakeline_messaging import refusals, rights, topics
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_process.service import Service
from wakeline_storage import rights as mongo_rights

LIMIT = 15.0
"""Seconds for each of the stores."""
_AGAIN = 0.5

Reasons = Sequence[str]


async def check(service: Service[Any, Any]) -> int:
    """Print a line for each store, or for each right that is missing there; 0 if none is."""
    async with open_runtime(service) as runtime:
        found = await findings(runtime)
        for name, reasons in found.items():
            for reason in reasons or ["ok"]:
                print(f"{name}: {reason}")
        if not any(found.values()):
            for what in await needless(runtime):
                print(f"note: {what}, which {service.name} never does: forbid it")
    return 1 if any(found.values()) else 0


async def findings(runtime: Runtime) -> Mapping[str, Reasons]:
    """What keeps a service from working, by the store that it is about."""
    service = runtime.service
    settings = service.settings
    asked: dict[str, Callable[[], Awaitable[Reasons]]] = {
        "mongo": lambda: mongo_rights.lacking(runtime.client, settings.mongo.database),
        "kafka": lambda: _of_kafka(service),
        "blobs": lambda: probing.lacking(settings.blobs, service.name),
        "auth": lambda: _of_auth(service),
    }
    if service.rights is not None:
        asked |= service.rights(runtime.resources)
    answers = await asyncio.gather(*(_limited(ask) for ask in asked.values()))
    found = dict(zip(asked, answers, strict=True))
    if service.checks is not None:
        for name, reason in (await readiness_of(service.checks(runtime.resources))()).items():
            if reason is not None and not found.get(name):
                found[name] = [reason]
    return found


async def _limited(ask: Callable[[], Awaitable[Reasons]]) -> Reasons:
    try:
        async with asyncio.timeout(LIMIT):
            return await ask()
    except TimeoutError:
        return [f"no answer within {LIMIT:g} s"]


async def _of_kafka(service: Service[Any, Any]) -> Reasons:
    kafka = service.settings.kafka
    needed = rights.rights_of(service.name, service.handlers, kafka.topic_prefix)
    try:
        async with refusals.connected(kafka) as client:
            while True:
                try:
                    return await rights.lacking(client, needed, kafka.user)
                except KafkaError as error:
                    if not error.retriable:
                        return [f"{type(error).__name__}: {error}"]
                    # The first group of a new cluster waits for its coordinator.
                    await asyncio.sleep(_AGAIN)
    except refusals.KafkaRefusesError as error:
        return [str(error)]


async def _of_auth(service: Service[Any, Any]) -> Reasons:
    try:
        await asyncio.to_thread(Verifier(service.settings.auth).require_keys)
    except KeysUnavailableError as error:
        return [str(error)]
    return []


async def needless(runtime: Runtime) -> Reasons:
    """What a service's users may do, and it never does: they are then not its own alone."""
    service = runtime.service
    kafka, mongo = service.settings.kafka, service.settings.mongo
    found: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT):
            for name in await mongo_rights.needless(runtime.client, mongo.database):
                where = "every database" if name == "*" else f"database '{name}'"
                found.append(f"this MongoDB user may write in {where}")
            if kafka.username is not None or kafka.cert_file is not None:
                needed = rights.rights_of(service.name, service.handlers, kafka.topic_prefix)
                async with refusals.connected(kafka) as client:
                    for what in await rights.needless(client, needed, topics(kafka)):
                        found.append(f"this Kafka user may {what}")
            for bucket in await probing.needless(service.settings.blobs, service.name):
                found.append(f"this S3 key may read '{bucket}'")
    return found
