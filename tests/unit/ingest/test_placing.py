"""Groups of a batch: the same, however many images are worked on at the same time."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from wakeline_events.base import AssetId
from wakeline_ingest.domain.fingerprints import candidate_keys, fingerprint, sketch
from wakeline_ingest.domain.records import AssetRecord, Declared
from wakeline_ingest.ports import Filed, Preview
from wakeline_ingest.usecases.placing import Prints, plan_groups

ORIGINALS = 4


def pictures() -> list[np.ndarray]:
    """Some pictures, and of each a smaller copy and a crop, which come later."""
    random = np.random.default_rng(3)
    first = [
        cv2.resize(random.integers(0, 255, (24, 32, 3), np.uint8), (640, 480))
        for _ in range(ORIGINALS)
    ]
    return [
        *first,
        *(cv2.resize(p, (400, 300)) for p in first),
        *(p[40:440, 60:600] for p in first),
    ]


class Shelves:
    """A library with nothing in it but what waits, and a depot that takes its time."""

    def __init__(self) -> None:
        self.waiting: dict[AssetId, AssetRecord] = {}
        self.sketches: dict[AssetId, Preview] = {}
        for number, pixels in enumerate(pictures()):
            asset = AssetRecord(
                asset_id=f"set:{number:02}",
                dataset_id="set",
                digest=f"{number:024}" + "0" * 40,
                format="PNG",
                width=1,
                height=1,
                channels=3,
                bits=8,
                bytes=1,
                image="",
                thumbnail=f"t/{number}",
                declared=Declared("", parent="set:00" if number == ORIGINALS - 1 else None),
                received_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
            )
            self.waiting[asset.asset_id] = asset
            self.sketches[asset.asset_id] = Preview(asset.asset_id, b"", sketch(pixels))
        self.put_keys: list[str] = []

    async def turn(self, dataset_id: str) -> int:
        return 7

    async def assets(self, asset_ids: Iterable[AssetId]) -> list[AssetRecord]:
        return [self.waiting[each] for each in asset_ids]

    async def previews(self, asset_ids: Iterable[AssetId]) -> list[Preview]:
        return [self.sketches[each] for each in asset_ids]

    async def fingerprints(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, Filed]:
        return {}

    async def sharing(self, fingerprint: Filed) -> dict[AssetId, frozenset[int]]:
        await asyncio.sleep(int(fingerprint.asset_id[-2:]) % 3 * 0.001)  # answers overtake others
        return {}

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        await asyncio.sleep((len(self.sketches) - int(key[2:])) * 0.001)
        self.put_keys.append(key)

    async def put_file(self, *_: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("at_once", [1, 3, 12])
async def test_groups_are_the_same_however_many_images_are_compared_at_once(at_once: int) -> None:
    shelves = Shelves()
    prints = Prints(shelves, shelves, at_once)
    (plan,) = await plan_groups(shelves, prints, shelves.waiting)
    assert plan.turn == 7
    assert [each.asset.asset_id for each in plan.placed] == sorted(shelves.waiting)
    groups = [int(each.grouping.group) for each in plan.placed]
    assert groups == [0, 1, 2, 0] * 3  # the last original was said to be cut from the first
    assert sorted(shelves.put_keys) == sorted(a.thumbnail for a in shelves.waiting.values())


class Crowded(Shelves):
    """Of each image one key is taken by two strangers already, one picture under two names."""

    strangers = ("set:x", "set:y")

    async def sharing(self, fingerprint: Filed) -> dict[AssetId, frozenset[int]]:
        return dict.fromkeys(self.strangers, frozenset(fingerprint.keys[:1]))

    async def fingerprints(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, Filed]:
        noise = np.random.default_rng(99).integers(0, 255, (240, 320, 3), np.uint8)
        data = fingerprint(sketch(noise)).to_bytes()
        return {each: Filed(each, "set", (), data, "of strangers") for each in asset_ids}


async def test_an_image_is_not_filed_under_what_strangers_have_and_copies_share_the_rest() -> None:
    shelves = Crowded()
    (plan,) = await plan_groups(shelves, Prints(shelves, shelves, 2), shelves.waiting)
    taken = {n: candidate_keys(fingerprint(each.sketch)) for n, each in shelves.sketches.items()}
    groups = {each.grouping.group for each in plan.placed}
    assert len(groups) == ORIGINALS - 1
    assert "of strangers" not in groups
    for each in plan.placed:
        keys = taken[each.asset.asset_id]
        assert keys[0] not in each.fingerprint.keys
        assert set(each.fingerprint.keys) <= set(keys)
        assert len(each.fingerprint.keys) > len(keys) / 2
