"""Bytes by URI: a folder of this machine (``file://``) or an object store (``s3://``)."""

import io
import json
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error

from wakeline_trainer.contract import BadInputError, S3Settings

_BUSY = (500, 502, 503, 504)

REFERENCE = ".ref.json"
"""Ends the URI of an image that was not copied at first: the object there says where it lies."""


class Store(Protocol):
    """Reads and writes whole objects; a write is seen complete or not at all."""

    def read(self, uri: str) -> bytes:
        """The bytes of an object; FileNotFoundError if there is none."""
        ...

    def write(self, uri: str, data: bytes) -> None:
        """Create or replace an object."""
        ...


class FileStore:
    """Objects as files."""

    def read(self, uri: str) -> bytes:
        """The bytes of a file."""
        return _path(uri).read_bytes()

    def write(self, uri: str, data: bytes) -> None:
        """Write beside the file and rename, so that no reader meets half of it."""
        path = _path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(path)


class S3Store:
    """Objects in an S3-compatible store."""

    def __init__(self, settings: S3Settings) -> None:
        # Without a region the client asks for the bucket's, which a restricted user may not.
        self._client = Minio(
            settings.endpoint,
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value(),
            secure=settings.secure,
            region=settings.region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=10, read=300),
                retries=urllib3.Retry(total=5, backoff_factor=0.2, status_forcelist=_BUSY),
                cert_reqs="CERT_REQUIRED",
                ca_certs=str(settings.ca_file) if settings.ca_file else None,
            ),
        )
        if settings.path_style is not None:
            if settings.path_style:
                self._client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
            else:
                self._client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]

    def read(self, uri: str) -> bytes:
        """The bytes of an object, or of the one that it refers to."""
        bucket, key = _bucket_and_key(uri)
        data = self._get(uri, bucket, key)
        if not uri.endswith(REFERENCE):
            return data
        found = json.loads(data)
        # What lies beside it is the platform's own copy, named by its digest, whatever its ETag.
        etag = None if found["bucket"] == bucket else found["etag"]
        return self._get(uri, found["bucket"], found["key"], etag)

    def _get(self, uri: str, bucket: str, key: str, etag: str | None = None) -> bytes:
        only_this: dict[str, str | list[str] | tuple[str]] | None = None
        if etag is not None:
            only_this = {"If-Match": f'"{etag}"'}
        try:
            response = self._client.get_object(bucket, key, request_headers=only_this)
        except S3Error as error:
            if error.code in ("NoSuchKey", "PreconditionFailed"):
                raise FileNotFoundError(uri) from error
            raise
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def write(self, uri: str, data: bytes) -> None:
        """Put an object."""
        bucket, key = _bucket_and_key(uri)
        self._client.put_object(bucket, key, io.BytesIO(data), len(data))


class Storage:
    """Picks the store by the scheme of each URI."""

    def __init__(self, s3: S3Settings | None) -> None:
        self._stores: dict[str, Store] = {"file": FileStore()}
        if s3 is not None:
            self._stores["s3"] = S3Store(s3)

    def read(self, uri: str) -> bytes:
        """The bytes at a URI.

        Raises
        ------
        BadInputError
            If the scheme is unknown, or it is ``s3`` and no store was named.
        FileNotFoundError
            If nothing is there.
        """
        return self._of(uri).read(uri)

    def write(self, uri: str, data: bytes) -> None:
        """Put bytes at a URI; the same errors for its scheme as ``read``."""
        self._of(uri).write(uri, data)

    def _of(self, uri: str) -> Store:
        scheme = urlsplit(uri).scheme
        if scheme not in self._stores:
            known = " or ".join(f"{name}://" for name in self._stores)
            raise BadInputError(f"A URI must begin with {known}: {uri}")
        return self._stores[scheme]


def below(prefix: str, name: str) -> str:
    """The URI of an object under a prefix, whether or not the prefix ends in a slash."""
    return f"{prefix.rstrip('/')}/{name}"


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _bucket_and_key(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, unquote(parts.path.lstrip("/"))
