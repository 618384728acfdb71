"""Single objects that the store lists and does not give out."""

from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from minio import Minio
from minio.error import S3Error

from tests.integration.ingest.images import Bucket, everything, picture
from wakeline_ingest.importing import sync
from wakeline_testing.running import RunningService

from .kit import SET, asset_named, image_of, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


class Withheld:
    """Answers as S3 does for objects of another owner, or in an archive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.codes: dict[str, str] = {}
        for name in ("get_object", "stat_object"):
            monkeypatch.setattr(Minio, name, self.withholding(getattr(Minio, name)))

    def withholding(self, real: Any) -> Any:
        def answer(client: Minio, *args: Any, **named: Any) -> Any:
            if code := self.codes.get(named["object_name"]):
                raise S3Error(Mock(), code, "not for you", None, None, None)
            return real(client, *args, **named)

        return answer


@pytest.fixture
def withheld(monkeypatch: pytest.MonkeyPatch) -> Withheld:
    return Withheld(monkeypatch)


async def refused(client: httpx.AsyncClient) -> dict[str, tuple[object, object]]:
    """Of the last sync: name -> code, and the asset that the object was."""
    (last, *_) = (await client.get(f"{SET}/imports")).json()["items"]
    lines = await everything(client, f"{SET}/imports/{last['import_id']}/lines", outcome="refused")
    return {str(line["name"]): (line["code"], line["previous"]) for line in lines}


async def test_objects_that_are_not_given_out_are_named_and_tried_again_and_hold_up_nothing(
    ingest: RunningService,
    client: httpx.AsyncClient,
    bucket: Bucket,
    withheld: Withheld,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync, "CHUNK", 2)
    for n in range(5):
        await bucket.put(f"in/{n}.png", picture(n))
    withheld.codes = {"in/0.png": "AccessDenied", "in/1.png": "InvalidObjectState"}
    assert (await synced(client, ingest))["counts"] == {"new": 3, "refused": 2}
    codes = {"0.png": ("blob-access-denied", None), "1.png": ("blob-error", None)}
    assert await refused(client) == codes
    await bucket.delete("in/4.png")
    assert (await synced(client, ingest))["counts"] == {"unchanged": 2, "refused": 2, "gone": 1}
    withheld.codes = {}
    assert (await synced(client, ingest))["counts"] == {"new": 2, "unchanged": 2}
    assert (await synced(client, ingest))["counts"] == {"unchanged": 4}


async def test_an_asset_stays_while_its_object_is_not_given_out(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, withheld: Withheld
) -> None:
    for n in range(2):
        await bucket.put(f"in/{n}.png", picture(n))
    await synced(client, ingest)
    changed, away = [(await asset_named(client, f"{n}.png"))["asset_id"] for n in range(2)]
    await bucket.put("in/0.png", picture(7))
    await bucket.delete("in/1.png")
    withheld.codes = {f"in/{n}.png": "AccessDenied" for n in range(2)}
    for _ in range(2):  # said each time
        assert (await synced(client, ingest))["counts"] == {"refused": 2}
        assert await refused(client) == {
            "0.png": ("blob-access-denied", changed),
            "1.png": ("blob-access-denied", away),
        }
        assert len(await everything(client, f"{SET}/assets", presence="here")) == 2
    withheld.codes = {}
    assert (await synced(client, ingest))["counts"] == {"changed": 1, "gone": 1}
    assert (await image_of(client, 7)).content == picture(7)


async def test_what_our_own_bucket_refuses_is_no_objects_fault(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, monkeypatch: Any
) -> None:
    await client.put(
        f"{SET}/sources/kept", json={"bucket": bucket.name, "prefix": "in/", "copy": True}
    )
    await bucket.put("in/0.png", picture(0))

    def denied(*_: object, **__: object) -> None:
        raise S3Error(Mock(), "AccessDenied", "not for you", None, None, None)

    with monkeypatch.context() as patched:
        patched.setattr(Minio, "put_object", denied)
        begun = (await client.post(f"{SET}/sources/kept/sync")).json()
        await ingest.settled()
    shown = (await client.get(f"{SET}/imports/{begun['import_id']}")).json()
    assert (shown["state"], shown["code"]) == ("failed", "blob-access-denied")
    assert not any(shown["counts"].values())
