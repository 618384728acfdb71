"""The store itself enforces the service x bucket matrix."""

from collections.abc import Callable
from itertools import product

import pytest
from minio.error import S3Error
from pydantic import SecretStr

from wakeline_blobs import (
    BUCKETS,
    MATRIX,
    BlobAccessDeniedError,
    Blobs,
    BlobSettings,
)
from wakeline_trainer.contract import S3Settings
from wakeline_trainer.storage import S3Store

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


async def test_a_trainers_own_key_is_enough_for_a_trainer_and_for_nothing_else(
    blobs: Blobs, settings_of: Callable[[str], BlobSettings]
) -> None:
    key = settings_of("trainer")
    trainer = S3Store(
        S3Settings(
            endpoint=key.endpoint,
            access_key=key.access_key,
            secret_key=key.secret_key,
            secure=key.secure,
        )
    )
    for bucket, name in (("assets", "image"), ("datasets", "manifests/1"), ("models", "1")):
        await blobs.put(bucket, name, b"before")
    at = f"s3://{key.prefix}"
    assert trainer.read(f"{at}assets/image") == trainer.read(f"{at}datasets/manifests/1")
    with pytest.raises(FileNotFoundError):  # and not a refusal: the first attempt finds none
        trainer.read(f"{at}datasets/runs/1/checkpoint/weights.pt")
    model = bytes(11 << 20)  # in parts
    for _ in range(2):
        trainer.write(f"{at}datasets/runs/1/1/model.onnx", model)
    assert trainer.read(f"{at}datasets/runs/1/1/model.onnx") == model
    for place in ("assets/image", "datasets/manifests/1", "models/1", "labels/1"):
        with pytest.raises(S3Error, match="AccessDenied"):
            trainer.write(f"{at}{place}", b"after")
    for place in ("models/1", "predictions/1", "labels/1"):
        with pytest.raises(S3Error, match="AccessDenied"):
            trainer.read(f"{at}{place}")
    async with Blobs(key) as own:
        with pytest.raises(BlobAccessDeniedError):
            await own.delete("datasets", "runs/1/1/model.onnx")


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
