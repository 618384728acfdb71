"""The store itself enforces the service x bucket matrix."""

from collections.abc import Callable
from itertools import product

import pytest
from pydantic import SecretStr

from wakeline_blobs import (
    BUCKETS,
    MATRIX,
    BlobAccessDeniedError,
    Blobs,
    BlobSettings,
)

pytestmark = pytest.mark.s3


@pytest.mark.parametrize(("service", "bucket"), list(product(MATRIX, BUCKETS)))
async def test_a_service_may_do_what_the_matrix_says_and_nothing_more(
    service: str, bucket: str, blobs: Blobs, settings_of: Callable[[str], BlobSettings]
) -> None:
    rights = MATRIX[service].get(bucket, "")
    key = f"access/{service}"
    await blobs.put(bucket, key, b"before")
    async with Blobs(settings_of(service)) as own:
        if "r" in rights:
            assert await own.get(bucket, key) == b"before"
        else:
            with pytest.raises(BlobAccessDeniedError):
                await own.get(bucket, key)
        if rights:
            assert [info.key async for info in own.list(bucket, key)] == [key]
        else:
            with pytest.raises(BlobAccessDeniedError):
                [info async for info in own.list(bucket, key)]
        if "w" in rights:
            await own.put(bucket, key, b"after")
        else:
            with pytest.raises(BlobAccessDeniedError):
                await own.put(bucket, key, b"after")
            with pytest.raises(BlobAccessDeniedError):
                await own.delete(bucket, key)
    assert await blobs.get(bucket, key) == (b"after" if "w" in rights else b"before")


@pytest.mark.parametrize("service", MATRIX)
async def test_every_service_can_ask_whether_the_store_is_ready(
    service: str, blobs: Blobs, settings_of: Callable[[str], BlobSettings]
) -> None:
    async with Blobs(settings_of(service)) as own:
        await own.check(min(MATRIX[service]))


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
async def test_a_wrong_credential_is_refused_and_not_ready(
    field: str, blobs: Blobs, object_store: BlobSettings
) -> None:
    wrong = object_store.model_copy(
        update={field: SecretStr("wrong-secret") if field == "secret_key" else "nobody"}
    )
    async with Blobs(wrong) as stranger:
        with pytest.raises(BlobAccessDeniedError):
            await stranger.get("assets", "x")
        with pytest.raises(BlobAccessDeniedError):
            await stranger.check()
