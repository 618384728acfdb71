"""Whether a credential may do in each bucket what its service needs: tried, without a trace."""

import asyncio
import io
from collections.abc import Callable
from contextlib import suppress

from minio import Minio

from wakeline_blobs.access import BUCKETS, MATRIX
from wakeline_blobs.client import connect, translated
from wakeline_blobs.errors import (
    BlobAccessDeniedError,
    BlobError,
    BlobMissingError,
    BucketMissingError,
)
from wakeline_blobs.settings import BlobSettings

_PLACE = ".check"
"""Objects of this prefix are nobody's. At most one of no bytes is there, for a moment."""


async def lacking(settings: BlobSettings, service: str) -> list[str]:
    """Say of each right in the matrix that the store does not give what is to be done about it."""
    client = connect(settings)
    found = await asyncio.gather(
        *(
            asyncio.to_thread(_lacking_in, client, settings, service, bucket)
            for bucket in MATRIX[service]
        )
    )
    return list(dict.fromkeys(reason for reasons in found for reason in reasons))


async def needless(settings: BlobSettings, service: str) -> list[str]:
    """The buckets that this credential may read, and its service has no need to."""
    client = connect(settings)
    others = [bucket for bucket in BUCKETS if "r" not in MATRIX[service].get(bucket, "")]

    def may_read(bucket: str) -> bool:
        try:
            _read(client, settings.prefix + bucket, f"{_PLACE}/{service}")
        except BlobError:
            return False
        return True

    verdicts = await asyncio.gather(*(asyncio.to_thread(may_read, bucket) for bucket in others))
    return [settings.prefix + bucket for bucket, may in zip(others, verdicts, strict=True) if may]


def _lacking_in(client: Minio, settings: BlobSettings, service: str, bucket: str) -> list[str]:
    rights, name = MATRIX[service][bucket], settings.prefix + bucket
    key = f"{_PLACE}/{service}"
    tries: list[tuple[str, str, Callable[[], None]]] = [
        ("list objects", "s3:ListBucket", lambda: _list(client, name))
    ]
    if "r" in rights:
        tries.append(("read objects", "s3:GetObject", lambda: _read(client, name, key)))
    if "w" in rights:
        # Deleting comes first: what may not be deleted is not put there.
        tries.append(("delete objects", "s3:DeleteObject", lambda: _delete(client, name, key)))
        tries.append(("put objects", "s3:PutObject", lambda: _put(client, name, key)))
        tries.append(
            ("abort uploads", "s3:AbortMultipartUpload", lambda: _abort(client, name, key))
        )
    reasons = []
    for what, action, attempt in tries:
        try:
            attempt()
        except BlobAccessDeniedError as error:
            reasons.append(
                f"S3 key '{settings.access_key}' may not {what} in bucket '{name}': allow it "
                f"{action} there ({error})"
            )
            if action == "s3:DeleteObject":
                break
        except BucketMissingError:
            return [f"there is no bucket '{name}': create it, no service does"]
        except BlobError as error:
            return [f"{error}"[:500]]
    return reasons


def _list(client: Minio, bucket: str) -> None:
    with translated(bucket):
        next(iter(client.list_objects(bucket_name=bucket, prefix=f"{_PLACE}/")), None)


def _read(client: Minio, bucket: str, key: str) -> None:
    # Who may not read is not told whether there is anything.
    with suppress(BlobMissingError), translated(bucket, key):
        response = client.get_object(bucket_name=bucket, object_name=key)
        response.close()
        response.release_conn()


def _delete(client: Minio, bucket: str, key: str) -> None:
    with translated(bucket, key):
        client.remove_object(bucket_name=bucket, object_name=key)


def _abort(client: Minio, bucket: str, key: str) -> None:
    # An upload that never was: who may not abort is refused before it is looked for.
    with suppress(BlobMissingError), translated(bucket, key):
        client._abort_multipart_upload(bucket, key, "none")


def _put(client: Minio, bucket: str, key: str) -> None:
    with translated(bucket, key):
        client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(), length=0)
        client.remove_object(bucket_name=bucket, object_name=key)
