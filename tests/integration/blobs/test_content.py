"""Content-addressed JSON in a real store."""

import pytest

from wakeline_blobs import BlobCorruptError, BlobMissingError, Blobs, load_json, store_json

pytestmark = pytest.mark.s3

SHAPES = {"shapes": [{"points": [1.5, 2, 3], "name": "Å"}] * 500, "n": None}


async def test_a_stored_value_comes_back_equal(blobs: Blobs) -> None:
    ref = await store_json(blobs, "predictions", SHAPES)
    assert await load_json(blobs, "predictions", ref) == SHAPES


async def test_equal_values_are_one_object(blobs: Blobs) -> None:
    first = await store_json(blobs, "predictions", {"a": 1, "b": 2})
    before = await blobs.get("predictions", first.key)
    second = await store_json(blobs, "predictions", {"b": 2, "a": 1})
    assert second == first
    assert await blobs.get("predictions", first.key) == before


async def test_a_changed_object_is_noticed(blobs: Blobs) -> None:
    ref = await store_json(blobs, "predictions", {"a": "good"})
    other = await store_json(blobs, "predictions", {"a": "evil"})
    await blobs.put("predictions", ref.key, await blobs.get("predictions", other.key))
    with pytest.raises(BlobCorruptError):
        await load_json(blobs, "predictions", ref)


async def test_a_value_that_was_collected_is_missing(blobs: Blobs) -> None:
    ref = await store_json(blobs, "predictions", {"soon": "gone"})
    await blobs.delete("predictions", ref.key)
    with pytest.raises(BlobMissingError):
        await load_json(blobs, "predictions", ref)
