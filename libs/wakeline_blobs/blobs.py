"""The object store, asynchronously: the minio client in threads of its own."""

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from wakeline_blobs.client import THREADS, connect, connect_for_probe, translated
from wakeline_blobs.errors import BlobMissingError, BucketMissingError
from wakeline_blobs.references import (
    BlobChangedError,
    SourceBucket,
    is_reference,
    parse_reference,
)
from wakeline_blobs.settings import BlobSettings
from wakeline_blobs.streams import BridgedReader
from wakeline_telemetry import tracing

CHUNK_BYTES = 256 * 1024
"""Bytes a chunk that ``stream`` yields has at most."""
PART_BYTES = 5 * 1024 * 1024
"""Bytes a part of a streamed upload has: S3's least. An upload holds about four in memory."""
OCTETS = "application/octet-stream"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What the store knows of an object without its bytes."""

    key: str
    size: int
    """In bytes."""
    etag: str
    content_type: str | None
    """None in listings, which do not say it."""
    modified_at: datetime


class Blobs:
    """One credential's view of the store. Close it when done; share it, it is made for that.

    Every method may raise ``BlobStoreUnavailableError`` where the store is away, after bounded
    retries, ``BlobAccessDeniedError`` where the credential may not, and ``BucketMissingError``.

    ``get`` and ``stream`` follow references: who asks for an image need not know where it lies.
    """

    def __init__(self, settings: BlobSettings) -> None:
        self._client = connect(settings)
        self._probe = connect_for_probe(settings)
        self._prefix = settings.prefix
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    async def close(self) -> None:
        """Let the threads go once what they do now is done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> "Blobs":
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    async def put(self, bucket: str, key: str, data: bytes, content_type: str = OCTETS) -> None:
        """Store bytes under a key, in place of what was there. Returns once they are stored."""
        await self._put(bucket, key, io.BytesIO(data), len(data), content_type)

    async def put_stream(
        self,
        bucket: str,
        key: str,
        stream: AsyncIterable[bytes],
        length: int = -1,
        content_type: str = OCTETS,
    ) -> None:
        """Store a stream, part by part; ``length`` in bytes, or -1 where it is not known.

        Nothing is to be seen under the key until all of it is there; if the stream raises, its
        error is raised here, and nothing is.

        Raises
        ------
        OSError
            If the stream is shorter than ``length``.
        """
        reader = BridgedReader(stream)
        try:
            await self._put(bucket, key, reader, length, content_type)
        finally:
            reader.close()

    async def put_file(self, bucket: str, key: str, path: Path, content_type: str = OCTETS) -> None:
        """Store a file, part by part."""

        def send() -> None:
            with path.open("rb") as file:
                size = path.stat().st_size
                with translated(bucket, key):
                    self._send(bucket, key, file, size, content_type)

        await self._in_thread("put", bucket, send)

    async def get(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes, all at once: for objects that fit into memory.

        Raises
        ------
        BlobMissingError
            If there is no such object; as ``BlobChangedError`` if a reference leads to others.
        """

        def fetch() -> bytes:
            with translated(bucket, key):
                return _all_of(self._open(bucket, key))

        return await self._in_thread("get", bucket, fetch)

    async def stream(
        self, bucket: str, key: str, offset: int = 0, length: int = 0, *, etag: str | None = None
    ) -> AsyncIterator[bytes]:
        """Yield an object's bytes in chunks, from ``offset`` on, ``length`` of them (0: all).

        Raises
        ------
        BlobMissingError
            If there is no such object: at the first step. As ``BlobChangedError`` if it has not
            this ``etag``, or a reference leads to other bytes than it was made for.
        """

        def open_object() -> Any:
            with translated(bucket, key):
                return self._open(bucket, key, offset, length, etag)

        def read_chunk() -> bytes:
            with translated(bucket, key):
                return bytes(response.read(CHUNK_BYTES))

        response = await self._in_thread("get", bucket, open_object)
        try:
            while chunk := await self._run(read_chunk):
                yield chunk
        finally:
            response.close()
            response.release_conn()

    async def fetch(
        self,
        bucket: str,
        key: str,
        path: Path,
        *,
        etag: str | None = None,
        limit: int | None = None,
        append: bool = False,
    ) -> int:
        """Copy an object to a file of this machine, and return how many bytes came.

        Stops behind ``limit`` bytes: more than that means that there were more.

        Raises
        ------
        BlobMissingError
            As for ``stream``. What came so far stays in the file.
        """

        def copy() -> int:
            copied = 0
            with translated(bucket, key), path.open("ab" if append else "wb") as file:
                response = self._open(bucket, key, etag=etag)
                try:
                    while (limit is None or copied <= limit) and (
                        chunk := response.read(CHUNK_BYTES)
                    ):
                        copied += file.write(chunk)
                finally:
                    response.close()
                    response.release_conn()
            return copied

        return await self._in_thread("get", bucket, copy)

    async def stat(self, bucket: str, key: str) -> BlobInfo:
        """Return what the store knows of an object.

        Raises
        ------
        BlobMissingError
            If there is no such object.
        """

        def ask() -> BlobInfo:
            with translated(bucket, key):
                where, name, etag = self._followed(bucket, key)
                found = _info(self._client.stat_object(bucket_name=where, object_name=name))
                if etag not in (None, found.etag):
                    raise BlobChangedError(bucket, key)
                return found

        return await self._in_thread("stat", bucket, ask)

    async def exists(self, bucket: str, key: str) -> bool:
        """Whether there is an object under the key."""
        try:
            await self.stat(bucket, key)
        except BlobMissingError:
            return False
        return True

    async def delete(self, bucket: str, key: str) -> None:
        """Delete an object, if there is one."""

        def remove() -> None:
            with translated(bucket, key):
                self._client.remove_object(bucket_name=self._named(bucket), object_name=key)

        await self._in_thread("delete", bucket, remove)

    async def list(
        self, bucket: str, prefix: str = "", after: str | None = None
    ) -> AsyncIterator[BlobInfo]:
        """Yield every object whose key begins with ``prefix``, those behind ``after``.

        In the store's own order: by key in most, by folder in SeaweedFS, where an ``after`` that
        is also the name of a folder leaves out what is in it.
        """

        def next_page() -> tuple[BlobInfo, ...]:
            with translated(bucket, prefix):
                return tuple(_info(each) for each in islice(found, 1_000))

        found: Iterator[Any] = self._client.list_objects(
            bucket_name=self._named(bucket), prefix=prefix, recursive=True, start_after=after
        )
        while page := await self._in_thread("list", bucket, next_page):
            for each in page:
                yield each

    async def presigned_get(self, bucket: str, key: str, expires: timedelta) -> str:
        """Return a URL by which anyone may read the object until it expires (7 days at most)."""
        return str(
            self._client.presigned_get_object(
                bucket_name=self._named(bucket), object_name=key, expires=expires
            )
        )

    async def presigned_put(self, bucket: str, key: str, expires: timedelta) -> str:
        """Return a URL by which anyone may write the object until it expires (7 days at most)."""
        return str(
            self._client.presigned_put_object(
                bucket_name=self._named(bucket), object_name=key, expires=expires
            )
        )

    async def create_bucket(self, bucket: str) -> None:
        """Make a bucket, unless there is one. Needs an administrator's credential."""

        def create() -> None:
            with translated(bucket):
                if not self._client.bucket_exists(bucket_name=self._named(bucket)):
                    self._client.make_bucket(bucket_name=self._named(bucket))

        await self._in_thread("create bucket", bucket, create)

    async def check(self, bucket: str = "assets") -> None:
        """Return if the store answers this credential within two seconds, else raise.

        Asks for a bucket that the service may list, so a wrong credential and a stack that is not
        set up fail too.
        """

        def ask() -> None:
            with translated(bucket):
                if not self._probe.bucket_exists(bucket_name=self._named(bucket)):
                    raise BucketMissingError(self._named(bucket))

        await self._run(ask)

    async def _put(
        self, bucket: str, key: str, data: BinaryIO | BridgedReader, length: int, content_type: str
    ) -> None:
        def send() -> None:
            with translated(bucket, key):
                self._send(bucket, key, data, length, content_type)

        await self._in_thread("put", bucket, send)

    def _send(
        self, bucket: str, key: str, data: BinaryIO | BridgedReader, length: int, content_type: str
    ) -> None:
        self._client.put_object(
            bucket_name=self._named(bucket),
            object_name=key,
            data=cast(BinaryIO, data),  # all that minio wants of it is ``read``
            length=length,
            content_type=content_type,
            part_size=PART_BYTES,
            # Parallel parts would be gathered without bound where the store is slower.
            num_parallel_uploads=1,
        )

    def _named(self, bucket: str) -> str:
        return str(bucket) if isinstance(bucket, SourceBucket) else self._prefix + bucket

    def _followed(self, bucket: str, key: str) -> tuple[str, str, str | None]:
        """Full name of the bucket, key, and the etag that is asked for, behind any reference."""
        if not is_reference(bucket, key):
            return self._named(bucket), key, None
        found = self._client.get_object(bucket_name=self._named(bucket), object_name=key)
        reference = parse_reference(key, _all_of(found))
        # Our own copy is named by its digest: other bytes under its name there are none, and its
        # ETag is another where it was stored or brought back in another way.
        own = reference.bucket == self._named(bucket)
        return reference.bucket, reference.key, None if own else reference.etag

    def _open(
        self, bucket: str, key: str, offset: int = 0, length: int = 0, etag: str | None = None
    ) -> Any:
        where, name, referred = self._followed(bucket, key)
        wanted = referred or etag
        return self._client.get_object(
            bucket_name=where,
            object_name=name,
            offset=offset,
            length=length,
            request_headers={"If-Match": f'"{wanted}"'} if wanted is not None else None,
        )

    async def _in_thread(self, verb: str, bucket: str, call: Callable[[], _T]) -> _T:
        with tracing.span(f"s3 {verb}", bucket=bucket):
            return await self._run(call)

    async def _run(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _all_of(response: Any) -> bytes:
    try:
        return bytes(response.read())
    finally:
        response.close()
        response.release_conn()


def _info(found: Any) -> BlobInfo:
    return BlobInfo(
        key=found.object_name,
        size=found.size,
        etag=(found.etag or "").strip('"'),
        content_type=found.content_type,
        modified_at=found.last_modified,
    )
