"""An object store for the blob suite: this run's buckets, as the administrator and as services."""

import secrets
from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import SecretStr
from pytest_asyncio import fixture
from wakeline_blobs import BUCKETS, Blobs, BlobSettings
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


@pytest.fixture
def settings_of(s3_server: S3Address, object_store: BlobSettings) -> Callable[[str], BlobSettings]:
    """Settings of a service, with that service's own credential."""

    def of(service: str) -> BlobSettings:
        if not s3_server.services:
            pytest.skip("the given object store has one credential only")
        identity = s3_server.services[service]
        return object_store.model_copy(
            update={
                "access_key": identity.access_key,
                "secret_key": SecretStr(identity.secret_key),
            }
        )

    return of
