"""What the store keeps, streams, lists, signs and forgets."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from wakeline_blobs import BlobMissingError, Blobs, BucketMissingError
from wakeline_blobs.blobs import CHUNK_BYTES, PART_BYTES

pytestmark = pytest.mark.s3

BIG = os.urandom(1024) * (20 * 1024) + b"the end"  # a bit over two parts of an upload


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_what_was_put_is_got_and_described(blobs: Blobs) -> None:
    await blobs.put("labels", "one/två.json", b"{}", "application/json")
    assert await blobs.get("labels", "one/två.json") == b"{}"
    info = await blobs.stat("labels", "one/två.json")
    assert (info.key, info.size, info.content_type) == ("one/två.json", 2, "application/json")


async def test_a_second_put_replaces_the_first(blobs: Blobs) -> None:
    await blobs.put("labels", "twice", b"old")
    await blobs.put("labels", "twice", b"new")
    assert await blobs.get("labels", "twice") == b"new"


async def test_an_empty_object_is_an_object(blobs: Blobs) -> None:
    await blobs.put("labels", "empty", b"")
    assert await blobs.exists("labels", "empty")
    assert await blobs.get("labels", "empty") == b""
    assert [chunk async for chunk in blobs.stream("labels", "empty")] == []


async def test_an_object_that_is_not_there_is_missing_however_it_is_asked_for(
    blobs: Blobs,
) -> None:
    assert not await blobs.exists("assets", "nothing")
    with pytest.raises(BlobMissingError):
        await blobs.get("assets", "nothing")
    with pytest.raises(BlobMissingError):
        await blobs.stat("assets", "nothing")
    with pytest.raises(BlobMissingError):
        await anext(blobs.stream("assets", "nothing"))


async def test_a_bucket_that_is_not_there_is_not_a_missing_object(blobs: Blobs) -> None:
    with pytest.raises(BucketMissingError):
        await blobs.get("nowhere", "x")
    with pytest.raises(BucketMissingError):
        await blobs.put("nowhere", "x", b"")
    with pytest.raises(BucketMissingError):
        await blobs.check("nowhere")


async def test_delete_forgets_and_may_be_repeated(blobs: Blobs) -> None:
    await blobs.put("labels", "doomed", b"x")
    await blobs.delete("labels", "doomed")
    await blobs.delete("labels", "doomed")
    assert not await blobs.exists("labels", "doomed")


@pytest.mark.parametrize("length", [-1, len(BIG)], ids=["unknown length", "known length"])
async def test_a_stream_of_several_parts_arrives_whole(blobs: Blobs, length: int) -> None:
    key = f"stream/{length}"
    await blobs.put_stream("assets", key, in_pieces(BIG, 100_000), length)
    assert await blobs.get("assets", key) == BIG


async def test_a_short_stream_needs_no_parts(blobs: Blobs) -> None:
    await blobs.put_stream("assets", "stream/short", in_pieces(b"abc" * 1000, 7))
    assert await blobs.get("assets", "stream/short") == b"abc" * 1000


async def test_an_upload_whose_source_fails_leaves_nothing_behind(blobs: Blobs) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield BIG
        raise ConnectionResetError("the uploader went away")

    with pytest.raises(ConnectionResetError, match="went away"):
        await blobs.put_stream("assets", "stream/broken", breaks())
    assert not await blobs.exists("assets", "stream/broken")


async def test_a_cancelled_upload_stops_reading_and_leaves_nothing_behind(blobs: Blobs) -> None:
    asked = 0
    entered = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            entered.set()
            yield b"x" * 65_536
            await asyncio.sleep(0.001)

    upload = asyncio.create_task(blobs.put_stream("assets", "stream/cancelled", endless()))
    await entered.wait()
    await asyncio.sleep(0.05)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    await asyncio.sleep(0.1)
    asked_by_then = asked
    await asyncio.sleep(0.2)
    assert asked == asked_by_then
    assert not await blobs.exists("assets", "stream/cancelled")


async def test_a_stream_that_is_shorter_than_announced_is_refused(blobs: Blobs) -> None:
    with pytest.raises(OSError, match="enough data"):
        await blobs.put_stream("assets", "stream/short-of", in_pieces(b"abc", 1), length=10)
    assert not await blobs.exists("assets", "stream/short-of")


async def test_a_file_is_stored_and_streamed_in_bounded_chunks(
    blobs: Blobs, tmp_path: Path
) -> None:
    file = tmp_path / "image.tiff"
    file.write_bytes(BIG)
    await blobs.put_file("assets", "file", file, "image/tiff")
    chunks = [chunk async for chunk in blobs.stream("assets", "file")]
    assert b"".join(chunks) == BIG
    assert max(map(len, chunks)) <= CHUNK_BYTES < PART_BYTES


async def test_a_part_of_an_object_can_be_streamed(blobs: Blobs) -> None:
    await blobs.put("assets", "digits", b"0123456789")
    assert b"".join([c async for c in blobs.stream("assets", "digits", 3, 4)]) == b"3456"


async def test_a_stream_left_early_gives_its_connection_back(blobs: Blobs) -> None:
    await blobs.put("assets", "left-early", BIG)
    for _ in range(40):  # more often than there are connections
        chunks = blobs.stream("assets", "left-early")
        await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]
    assert len(await blobs.get("assets", "left-early")) == len(BIG)


async def test_listing_yields_the_keys_under_a_prefix_in_order(blobs: Blobs) -> None:
    for key in ("list/b", "list/a/2", "list/a/1", "other"):
        await blobs.put("predictions", key, key.encode())
    found = [info async for info in blobs.list("predictions", "list/")]
    assert [info.key for info in found] == ["list/a/1", "list/a/2", "list/b"]
    assert [info.size for info in found] == [8, 8, 6]


async def test_a_signed_url_reads_one_object_and_nothing_else(blobs: Blobs) -> None:
    await blobs.put("assets", "signed", b"pixels")
    await blobs.put("assets", "signed-not", b"secret")
    url = await blobs.presigned_get("assets", "signed", timedelta(minutes=1))
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).content == b"pixels"
        assert (await client.get(url.replace("/signed?", "/signed-not?"))).status_code == 403
        assert (await client.put(url, content=b"overwritten")).status_code == 403
        assert (await client.get(url.split("?")[0])).status_code == 403


async def test_many_requests_at_once_are_all_answered(blobs: Blobs) -> None:
    keys = [f"many/{n}" for n in range(100)]
    await asyncio.gather(*(blobs.put("labels", key, key.encode()) for key in keys))
    assert await asyncio.gather(*(blobs.get("labels", key) for key in keys)) == [
        key.encode() for key in keys
    ]


async def test_the_store_is_ready(blobs: Blobs) -> None:
    await blobs.check()
