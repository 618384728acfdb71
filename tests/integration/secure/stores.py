"""Stores as a customer's platform team provides them: by TLS, and with a user for each service."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import pytest
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr

from wakeline_auth import AuthSettings
from wakeline_blobs import BUCKETS, BlobSettings
from wakeline_embedded.ports import HOST
from wakeline_events.base import ServiceName
from wakeline_messaging import KafkaSettings
from wakeline_messaging.refusals import KafkaRefusesError, connected
from wakeline_process.service import HttpSettings, Service
from wakeline_testing import Scope
from wakeline_testing.certificates import Authority
from wakeline_testing.fronts import tls_front
from wakeline_testing.kafka_users import KafkaUsers
from wakeline_testing.running import ISSUER, SERVICES
from wakeline_testing.secure_mongo import SecureMongo, secure_mongo

from . import documented

GIVEN = "WAKELINE_TEST_KAFKA_SASL"
PASSWORD = "of the service"


@dataclass(frozen=True)
class SecureStores:
    """Where everything is, and who each service is there."""

    scope: Scope
    """Its administrators may do everything, without TLS."""
    users: KafkaUsers
    kafka: KafkaSettings
    mongo: SecureMongo
    s3: BlobSettings
    keys: dict[str, tuple[str, str]]
    """Service -> its access key and secret key."""
    minio: MinioAdmin | None
    """Who keeps the policies, if the store is a MinIO; each is called as the service's key."""

    def user(self, service: str) -> str:
        """What a service is called at Kafka and MongoDB."""
        return f"{self.scope.name}-{service}"

    def settings(self, service: ServiceName) -> dict[str, Any]:
        """The groups of settings that say how a service reaches them."""
        access, secret = self.keys[service]
        as_service = {"username": self.user(service), "password": SecretStr(PASSWORD)}
        return {
            "kafka": self.kafka.model_copy(update=as_service),
            "mongo": self.mongo.settings(
                self.user(service), PASSWORD, self.scope.database(service)
            ),
            "blobs": self.s3.model_copy(
                update={"access_key": access, "secret_key": SecretStr(secret)}
            ),
        }

    def service(self, name: ServiceName, **other: Any) -> Service[Any, Any]:
        """A service that runs in the test's own process; ``other`` settings go before its own."""
        settings = import_module(f"wakeline_{name}.settings").Settings(
            auth=AuthSettings(issuer=ISSUER.issuer, jwks=orjson.dumps(ISSUER.jwks()).decode()),
            http=HttpSettings(port=1),
            **(self.settings(name) | other),
        )
        built: Service[Any, Any] = import_module(f"wakeline_{name}.wiring").service(settings)
        return built

    def environment(self, name: ServiceName, secrets: Path) -> dict[str, str]:
        """What a process of a service is told; what is secret goes into files of the folder."""
        variables, files = {}, {}
        for group, found in self.settings(name).items():
            for field in found.model_fields_set:
                value = getattr(found, field)
                key = f"{group}__{field}".upper()
                if isinstance(value, SecretStr):
                    files[key] = value.get_secret_value()
                elif value is not None:
                    variables[f"WAKELINE_{name.upper()}_{key}"] = str(value)
        secrets.mkdir()
        for key, value in files.items():
            (secrets / key).write_text(value)
        return variables | {"WAKELINE_SECRETS_DIR": str(secrets)}


def given_kafka() -> KafkaSettings:
    """The administrator's way to a Kafka that enforces ACLs; skips the test if there is none.

    It is given as ``kafka://USER:PASSWORD@HOST:PORT?ca=FILE``.
    """
    url = os.environ.get(GIVEN)
    if url is None:
        pytest.skip(f"no Kafka with ACLs: {GIVEN} names none")
    parts = urlsplit(url)
    (ca,) = parse_qs(parts.query)["ca"]
    return KafkaSettings(
        bootstrap=parts.netloc.rpartition("@")[2],
        security_protocol="SASL_SSL",
        username=unquote(parts.username or ""),
        password=SecretStr(unquote(parts.password or "")),
        ca_file=Path(ca),
    )


@asynccontextmanager
async def provided(scope: Scope, folder: Path, *, host: str = HOST) -> AsyncIterator[SecureStores]:
    """Provide stores in which each service may do what is documented, and nothing more.

    Those that are started here answer at ``host``.
    """
    administrator = given_kafka().model_copy(update={"topic_prefix": scope.topic_prefix})
    authority = Authority(folder / "ca", host=host)
    await scope.make_topics(*(name for name in SERVICES if name != "lineage"))
    await scope.make_buckets(*BUCKETS)
    async with AsyncExitStack() as stack:
        users = await stack.enter_async_context(KafkaUsers.of(administrator))
        mongo = await stack.enter_async_context(
            secure_mongo(folder / "mongo", authority, host=host)
        )
        plain = scope.blobs()
        certificate = authority.issue("s3")
        front = await stack.enter_async_context(tls_front(plain.endpoint, certificate, host=host))
        s3 = plain.model_copy(
            update={"endpoint": front, "secure": True, "ca_file": authority.ca_file}
        )
        minio = None if scope.stack.s3.services else _minio(scope)
        keys = await stack.enter_async_context(_s3_keys(scope, minio))
        stores = SecureStores(scope, users, administrator, mongo, s3, keys, minio)
        for name in SERVICES:
            await users.add(stores.user(name), PASSWORD)
            await users.allow(stores.user(name), *documented.kafka(name, scope.topic_prefix))
            roles = documented.mongo(name, scope.name)
            await mongo.add(stores.user(name), PASSWORD, roles)
        for name in SERVICES:
            await _until_known(stores.settings(name)["kafka"])
        yield stores


async def _until_known(kafka: KafkaSettings) -> None:
    """A user is known to every broker a moment after it was made."""
    for _ in range(50):
        try:
            async with connected(kafka):
                return
        except KafkaRefusesError:
            await asyncio.sleep(0.2)
    raise TimeoutError(f"{kafka.username} cannot log in")


def _minio(scope: Scope) -> MinioAdmin:
    plain = scope.blobs()
    return MinioAdmin(
        endpoint=plain.endpoint,
        credentials=StaticProvider(plain.access_key, plain.secret_key.get_secret_value()),
        secure=plain.secure,
    )


@asynccontextmanager
async def _s3_keys(
    scope: Scope, admin: MinioAdmin | None
) -> AsyncIterator[dict[str, tuple[str, str]]]:
    """Each service's keys: those that the store was started with, or new ones of a MinIO."""
    if admin is None:
        own = {name: scope.blobs(name) for name in SERVICES}
        yield {n: (b.access_key, b.secret_key.get_secret_value()) for n, b in own.items()}
        return
    names = {name: f"{scope.name}-{name}" for name in SERVICES}
    for name, key in names.items():
        policy = documented.s3(name, f"{scope.name}-")
        await asyncio.to_thread(admin.user_add, key, PASSWORD)
        await asyncio.to_thread(admin.policy_add, key, None, policy)
        await asyncio.to_thread(admin.policy_set, key, key)
    try:
        yield {name: (key, PASSWORD) for name, key in names.items()}
    finally:
        for key in names.values():
            await asyncio.to_thread(admin.user_remove, key)
            await asyncio.to_thread(admin.policy_remove, key)
