"""An object store for the blob suite: this run's buckets, as the administrator and as services."""

import secrets
from collections.abc import AsyncIterator, Callable

import pytest
from minio.credentials.providers import StaticProvider
from minio.error import MinioException
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr
from pytest_asyncio import fixture
from urllib3.exceptions import HTTPError

from wakeline_blobs import BUCKETS, MATRIX, Blobs, BlobSettings, s3_policy
from wakeline_blobs.access import trainer_policy
from wakeline_testing import S3Address
from wakeline_testing.stack import SCOPE_NAME_LENGTH


@fixture(scope="session", loop_scope="session")
async def object_store(s3_server: S3Address) -> BlobSettings:
    """The administrator's settings, with buckets that no other test run sees."""
    settings = BlobSettings(
        endpoint=s3_server.endpoint,
        access_key=s3_server.admin.access_key,
        secret_key=SecretStr(s3_server.admin.secret_key),
        secure=s3_server.secure,
        prefix="b" + secrets.token_hex(SCOPE_NAME_LENGTH)[: SCOPE_NAME_LENGTH - 1] + "-",
    )
    async with Blobs(settings) as blobs:
        for bucket in BUCKETS:
            await blobs.create_bucket(bucket)
    return settings


@fixture(loop_scope="session")
async def blobs(object_store: BlobSettings) -> AsyncIterator[Blobs]:
    async with Blobs(object_store) as opened:
        yield opened


@fixture(scope="session", loop_scope="session")
async def credentials(
    s3_server: S3Address, object_store: BlobSettings
) -> AsyncIterator[dict[str, tuple[str, str]]]:
    """Access and secret key of every service, and of trainers if this run makes users.

    None where the store has one credential only.
    """
    if s3_server.services:
        yield {name: (own.access_key, own.secret_key) for name, own in s3_server.services.items()}
        return
    admin = MinioAdmin(
        endpoint=object_store.endpoint,
        credentials=StaticProvider(
            access_key=object_store.access_key,
            secret_key=object_store.secret_key.get_secret_value(),
        ),
        secure=object_store.secure,
    )
    policies = {name: s3_policy(name, object_store.prefix) for name in MATRIX}
    policies["trainer"] = trainer_policy(object_store.prefix)
    keys = {name: (object_store.prefix + name, secrets.token_hex(20)) for name in policies}
    try:
        for name, (access_key, secret_key) in keys.items():
            admin.user_add(access_key, secret_key)
            admin.policy_add(access_key, policy=policies[name])
            admin.policy_set(access_key, user=access_key)
    except (MinioException, HTTPError):  # not a MinIO
        yield {}
        return
    yield keys
    for access_key, _ in keys.values():
        admin.user_remove(access_key)
        admin.policy_remove(access_key)


@pytest.fixture
def settings_of(
    credentials: dict[str, tuple[str, str]], object_store: BlobSettings
) -> Callable[[str], BlobSettings]:
    """Settings of a service, with that service's own credential."""

    def of(service: str) -> BlobSettings:
        if service not in credentials:
            pytest.skip("the given object store has one credential only")
        access_key, secret_key = credentials[service]
        return object_store.model_copy(
            update={"access_key": access_key, "secret_key": SecretStr(secret_key)}
        )

    return of
