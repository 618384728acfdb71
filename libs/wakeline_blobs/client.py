"""The minio client as Wakeline sets it up, and its many errors as our few."""

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from wakeline_blobs.errors import (
    BlobAccessDeniedError,
    BlobError,
    BlobMissingError,
    BlobStoreUnavailableError,
    BucketMissingError,
)
from wakeline_blobs.references import BlobChangedError
from wakeline_blobs.settings import BlobSettings

THREADS = 16
"""Requests to the store that one process makes at the same time."""

_BUSY = (500, 502, 503, 504)
_UNAVAILABLE_CODES = frozenset(
    {
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "RequestTimeout",
        "XMinioServerNotInitialized",
    }
)
_DENIED_CODES = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_MISSING_CODES = frozenset({"NoSuchKey", "NoSuchUpload", "ResourceNotFound"})


def connect(settings: BlobSettings) -> Minio:
    """Return a client that gives up in time. Nothing is sent yet.

    A request is tried at most three times: once more where no connection came about or it broke,
    twice more where the store said that it is busy.
    """
    retries = urllib3.Retry(
        total=2,
        connect=1,
        read=1,
        redirect=0,
        other=0,
        status=2,
        status_forcelist=_BUSY,
        backoff_factor=0.2,
        # Every call the client makes may be repeated: the same bytes go to the same key.
        allowed_methods=None,
        raise_on_status=False,
    )
    return _client(
        settings,
        retries,
        connect=settings.connect_timeout.total_seconds(),
        read=settings.read_timeout.total_seconds(),
    )


def connect_for_probe(settings: BlobSettings) -> Minio:
    """Return a client that tries once and for less than two seconds: for readiness."""
    return _client(settings, urllib3.Retry(0), connect=0.9, read=0.9)


def _client(
    settings: BlobSettings, retries: urllib3.Retry, *, connect: float, read: float
) -> Minio:
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=connect, read=read),
        retries=retries,
        maxsize=THREADS,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(settings.ca_file) if settings.ca_file else None,
    )
    client = Minio(
        endpoint=settings.endpoint,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=settings.secure,
        region=settings.region,
        http_client=pool,
    )
    if settings.path_style is not None:
        if settings.path_style:
            client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
        else:
            client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client


@contextmanager
def translated(bucket: str, key: str = "") -> Iterator[None]:
    """Raise what goes wrong with the store, or on the way to it, as a ``BlobError``.

    What goes wrong with the source of an upload passes through as it is, OSErrors included.
    """
    try:
        yield
    except S3Error as error:
        raise _of_s3(error, bucket, key) from error
    except InvalidResponseError as error:
        # Not XML: a proxy or a store that is starting answers like that.
        raise BlobStoreUnavailableError(f"the object store gave no S3 answer: {error}") from error
    except (ServerError, HTTPError) as error:
        raise BlobStoreUnavailableError(f"the object store is out of reach: {error}") from error
    except MinioException as error:
        raise BlobError(f"the object store refused: {error}") from error


def _of_s3(error: S3Error, bucket: str, key: str) -> BlobError:
    if error.code in _MISSING_CODES:
        return BlobMissingError(bucket, key)
    if error.code == "PreconditionFailed":
        return BlobChangedError(bucket, key)
    if error.code == "NoSuchBucket":
        return BucketMissingError(bucket)
    if error.code in _DENIED_CODES:
        return BlobAccessDeniedError(f"{error.code} for {bucket}/{key}")
    if error.code in _UNAVAILABLE_CODES:
        return BlobStoreUnavailableError(f"the object store cannot work now: {error.code}")
    return BlobError(f"the object store refused {bucket}/{key}: {error.code} {error.message}")
