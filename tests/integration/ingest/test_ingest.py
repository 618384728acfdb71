"""Images on their way in, over real Kafka, MongoDB and S3."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures

from wakeline_events.base import Asset
from wakeline_events.ingest import AssetIngested
from wakeline_http import routes_without_principal
from wakeline_images import read_image
from wakeline_ingest import usecases
from wakeline_ingest.domain.errors import TurnTakenError
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service
from wakeline_messaging import Envelope
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published, running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SET = "/v1/datasets/fields"
ASSETS = f"{SET}/assets"


def encoded(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


CAT, COINS, ROCKET = pictures.cat(), pictures.coins(), pictures.rocket()


@pytest.fixture
async def ingest(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings_of(scope, "ingest", Settings)), scope) as process:
        yield process


@pytest.fixture
async def client(ingest: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest.client("manager") as opened:
        assert (await opened.put(SET, json={"name": "Fields"})).status_code == 200
        yield opened


async def send(
    client: httpx.AsyncClient, image: bytes, name: str = "a.png", **more: Any
) -> httpx.Response:
    parts = {part: (part, body) for part, body in more.pop("parts", {}).items()}
    headers = more.pop("headers", {})
    files = {"image": (name, image), **parts}
    return await client.post(ASSETS, files=files, data=more, headers=headers)


async def announced(scope: Scope) -> list[AssetIngested]:
    envelopes: list[Envelope] = await published(scope, "ingest")
    assert [e.type for e in envelopes] == [AssetIngested.TYPE] * len(envelopes)
    return [AssetIngested.model_validate_json(e.data) for e in envelopes]


async def groups(client: httpx.AsyncClient) -> dict[str, str]:
    items = (await client.get(ASSETS)).json()["items"]
    assert all(item["state"] == "ingested" for item in items)
    return {item["file_name"]: item["group"] for item in items}


async def test_an_image_is_stored_and_announced_once_it_has_its_group(
    ingest: RunningService, client: httpx.AsyncClient, scope: Scope
) -> None:
    image, nir = encoded(CAT), encoded(CAT[..., 1])
    sent = await send(client, image, "secret name.png", parts={"band.nir": nir, "mask.plants": nir})
    digest = hashlib.sha256(image).hexdigest()
    asset_id = f"fields:{digest}"
    assert sent.status_code == 201
    height, width = CAT.shape[:2]
    assert sent.json() == {
        "asset_id": asset_id,
        "digest": digest,
        "width": width,
        "height": height,
        "duplicate": False,
        "metadata_differ": False,
    }
    await ingest.settled()
    (event,) = await announced(scope)
    asset: Asset = event.asset
    assert (asset.asset_id, asset.width, asset.height) == (asset_id, width, height)
    assert asset.group == digest[:24]
    assert "secret" not in event.model_dump_json()

    url = f"/v1/assets/{quote(asset_id, safe='')}"
    shown = (await client.get(url)).json()
    assert (shown["state"], shown["file_name"]) == ("ingested", "secret name.png")
    assert (await client.get(f"{url}/image")).content == image
    assert (await client.get(f"{url}/bands/nir")).content == nir
    assert (await client.get(f"{url}/masks/plants")).content == nir
    small = read_image((await client.get(f"{url}/thumbnail")).content)
    assert max(small.shape) == 256
    assert (await client.get(f"{url}/bands/swir")).json()["code"] == "unknown-asset"

    blobs = ingest.process.runtime.resources.blobs
    assert await blobs.get("assets", asset.image) == image
    assert await blobs.get("assets", asset.bands["nir"]) == nir
    assert await blobs.get("assets", event.upstream_masks["plants"]) == nir
    status = (await client.get(SET)).json()
    assert (status["received"], status["ingested"], status["refused"]) == (1, 1, 0)
    assert status["bytes"] == len(image)


async def test_a_thumbnail_can_be_seen_before_the_asset_has_a_group(scope: Scope) -> None:
    settings = settings_of(scope, "ingest", Settings)
    async with (
        running(service(settings), scope, Kind.SERVE) as front,
        front.client("manager") as client,
    ):
        await client.put(SET, json={})
        asset_id = (await send(client, encoded(CAT))).json()["asset_id"]
        url = f"/v1/assets/{quote(asset_id, safe='')}/thumbnail"
        before = await client.get(url)
        async with running(service(settings), scope, Kind.ALL) as runner:
            await runner.settled()
        after = await client.get(url)
    assert (before.status_code, after.status_code) == (200, 200)
    assert before.content == after.content
    assert before.headers["content-type"] == after.headers["content-type"] == "image/jpeg"


async def test_uploads_that_arrive_together_have_each_its_own_answer(
    ingest: RunningService, client: httpx.AsyncClient, scope: Scope
) -> None:
    key = {"Idempotency-Key": "one"}
    known = (await send(client, encoded(CAT), group="scene 1")).json()["asset_id"]
    answers = await asyncio.gather(
        send(client, encoded(COINS), "a.png", headers=key),
        send(client, encoded(COINS), "a.png", headers=key),
        send(client, encoded(ROCKET), "b.png", parent=known),
        send(client, encoded(CAT), "c.png", group="scene 2"),
        send(client, encoded(ROCKET[::-1]), "d.png", parent="fields:" + "0" * 64),
        send(client, encoded(ROCKET[:, ::-1]), "e.png"),
    )
    assert [answer.status_code for answer in answers] == [201, 201, 201, 409, 422, 201]
    assert answers[0].json() == answers[1].json()
    assert [answers[n].json()["code"] for n in (3, 4)] == ["asset-differs", "unknown-parent"]
    await ingest.settled()
    assert len(await announced(scope)) == 4


async def test_the_same_bytes_are_one_asset_and_one_event(
    ingest: RunningService, client: httpx.AsyncClient, scope: Scope
) -> None:
    answers = await asyncio.gather(*(send(client, encoded(COINS)) for _ in range(5)))
    await ingest.settled()
    again = await send(client, encoded(COINS), "other name.png")
    await ingest.settled()
    assert [a.status_code for a in [*answers, again]] == [201] * 6
    assert sum(not a.json()["duplicate"] for a in answers) == 1
    assert again.json()["duplicate"]
    assert len(await announced(scope)) == 1
    digests = [hashlib.sha256(encoded(COINS)).hexdigest(), "0" * 64]
    known = await client.post(f"{ASSETS}/known", json={"digests": digests})
    assert known.json() == {"known": digests[:1]}


async def test_a_repeated_request_gets_its_first_answer(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "upload-1"}
    first = await send(client, encoded(COINS), headers=headers)
    second = await send(client, encoded(COINS), headers=headers)
    assert first.json() == second.json()
    assert not second.json()["duplicate"]


async def test_one_key_with_another_file_or_field_is_refused(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "night-3"}
    assert (await send(client, encoded(COINS), group="1", headers=headers)).status_code == 201
    for image, more in (
        (CAT, {"group": "1"}),
        (COINS, {"group": "2"}),
        (COINS, {"group": "1", "name": "b.png"}),
        (COINS, {"group": "1", "parts": {"band.nir": encoded(COINS)}}),
    ):
        reused = await send(client, encoded(image), headers=headers, **more)
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")
    assert (await client.get(SET)).json()["received"] == 1


async def test_a_body_that_is_no_form_is_not_read(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1_000):
            read += 1
            yield bytes(1_000)

    answer = await client.post(ASSETS, content=endless(), headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-upload")
    assert read < 10, "nobody limits the memory that it would take"


async def test_an_asset_never_changes(ingest: RunningService, client: httpx.AsyncClient) -> None:
    nir, other = encoded(COINS), encoded(255 - COINS)
    await send(client, encoded(COINS), parts={"band.nir": nir}, group="scene-1")
    for more in ({"parts": {"band.nir": other}}, {"group": "scene-2"}):
        refused = await send(client, encoded(COINS), **more)
        assert (refused.status_code, refused.json()["code"]) == (409, "asset-differs")
    same = await send(client, encoded(COINS), parts={"band.nir": nir}, group="scene-1")
    assert same.json()["duplicate"]


async def test_metadata_that_come_again_otherwise_are_not_taken_and_the_answer_says_so(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    first = await send(client, encoded(COINS), metadata='{"site": "north", "coins": [24]}')
    answers = [
        (await send(client, encoded(COINS), metadata=said)).json()
        for said in ("{}", '{"coins": [24]}', '{"site": "south"}', '{"more": 1}')
    ]
    assert [answer["metadata_differ"] for answer in answers] == [False, False, True, True]
    shown = (await client.get(f"/v1/assets/{first.json()['asset_id']}")).json()
    assert shown["metadata"] == {"site": "north", "coins": [24]}


async def test_copies_and_crops_join_the_group_of_their_origin(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    await send(client, encoded(CAT), "cat.png")
    await send(client, encoded(ROCKET), "rocket.png")
    await send(client, encoded(COINS), "coins.png")
    await ingest.settled()
    height, width = CAT.shape[:2]
    small = np.asarray(Image.fromarray(CAT).resize((width // 2, height // 2)))
    copies = {
        "jpeg.jpg": encoded(CAT, "JPEG", quality=60),
        "small.png": encoded(small),
        "crop.jpg": encoded(CAT[: int(height * 0.6), : int(width * 0.6)], "JPEG", quality=75),
    }
    for name, data in copies.items():
        assert (await send(client, data, name)).status_code == 201
    await ingest.settled()
    found = await groups(client)
    assert {found[name] for name in copies} == {found["cat.png"]}
    assert len(set(found.values())) == 3


async def test_copies_that_arrive_together_are_found_too(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    files = [encoded(CAT, "JPEG", quality=quality) for quality in (95, 80, 60, 40)]
    files += [encoded(COINS), encoded(COINS, "JPEG", quality=70)]
    sent = await asyncio.gather(*(send(client, f, f"{n}") for n, f in enumerate(files)))
    assert [s.status_code for s in sent] == [201] * 6
    await ingest.settled()
    found = await groups(client)
    assert len({found[str(n)] for n in range(4)}) == 1
    assert len({found[str(n)] for n in (4, 5)}) == 1
    assert len(set(found.values())) == 2


async def test_a_declared_group_wins_and_the_copy_elsewhere_becomes_a_neighbour(
    ingest: RunningService, client: httpx.AsyncClient, scope: Scope
) -> None:
    first = (await send(client, encoded(CAT), "1.png", group="patient-1")).json()["asset_id"]
    await send(client, encoded(CAT, "JPEG", quality=80), "2.jpg", group="patient-2")
    tile = await send(client, encoded(ROCKET[:200, :200]), "tile.png", parent=first)
    assert tile.status_code == 201
    await ingest.settled()
    found = await groups(client)
    assert found == {"1.png": "patient-1", "2.jpg": "patient-2", "tile.png": "patient-1"}
    neighbours = {e.asset.group: e.asset.neighbours for e in await announced(scope)}
    assert neighbours["patient-2"] == (first,)
    stranger = await send(client, encoded(COINS), parent="fields:none")
    assert stranger.json()["code"] == "unknown-parent"


async def test_bad_files_are_refused_with_their_reason_and_the_rest_goes_on(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    good = encoded(CAT)
    bad = {
        "cut.png": (good[: len(good) // 2], "truncated-image"),
        "empty.png": (b"", "empty-file"),
        "page.png": (b"<html>not here</html>", "not-an-image"),
        "wrong.jpg": (good, "wrong-extension"),
    }
    for name, (data, code) in bad.items():
        refused = await send(client, data, name)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert refused.json()["part"] == "image"
    band = await send(client, good, parts={"band.nir": encoded(COINS)})
    assert (band.json()["code"], band.json()["part"]) == ("band-size-differs", "band.nir")
    assert (await send(client, good, "good.png")).status_code == 201
    await ingest.settled()
    assert list(await groups(client)) == ["good.png"]
    report = (await client.get(f"{SET}/refusals")).json()["items"]
    assert {r["file_name"]: r["code"] for r in report if r["part"] == "image"} == {
        name: code for name, (_, code) in bad.items()
    }
    assert (await client.get(SET)).json()["refused"] == 5


async def test_an_image_above_the_limit_is_refused_by_its_header(scope: Scope) -> None:
    settings = settings_of(scope, "ingest", Settings, max_pixels=10_000, max_file_bytes=400_000)
    async with (
        running(service(settings), scope, Kind.SERVE) as process,
        process.client("engineer") as client,
    ):
        await client.put(SET, json={})
        assert (await send(client, encoded(CAT[:200]))).json()["code"] == "image-too-large"
        long = await send(client, bytes(500_000))
        assert (long.status_code, long.json()["code"]) == (413, "file-too-large")
        wanted = {"file_name": "a.png", "bytes": 400_001, "digest": "0" * 64}
        for purpose, answer in (("image", 413), ("archive", 201)):
            declared = await client.post(f"{SET}/uploads", json={**wanted, "purpose": purpose})
            assert declared.status_code == answer, declared.text


@pytest.mark.parametrize("companions", ["stored", "upright"])
async def test_masks_and_bands_turn_with_their_image(
    ingest: RunningService, client: httpx.AsyncClient, companions: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.rot90(CAT, -1)
    mask = CAT[..., 0] > 100
    given = mask if companions == "stored" else np.rot90(mask, -1)
    sent = await send(
        client,
        encoded(CAT, "PNG", exif=exif),
        parts={"mask.a": encoded(given), "band.nir": encoded(CAT[..., 1], exif=exif)},
        companions=companions,
    )
    assert (sent.json()["width"], sent.json()["height"]) == upright.shape[1::-1]
    url = f"/v1/assets/{quote(sent.json()['asset_id'], safe='')}"
    kept = read_image((await client.get(f"{url}/masks/a")).content)[..., 0]
    np.testing.assert_array_equal(kept > 0, np.rot90(mask, -1))
    band = read_image((await client.get(f"{url}/bands/nir")).content)[..., 0]
    np.testing.assert_array_equal(band, upright[..., 1])


async def test_strange_forms_are_refused(ingest: RunningService, client: httpx.AsyncClient) -> None:
    image = encoded(COINS)
    for response in (
        await client.post(ASSETS, files={"picture": ("a.png", image)}),
        await client.post(ASSETS, json={"image": "a"}),
        await send(client, image, parts={"nir": image}),
        await send(client, image, colour="red"),
        await send(client, image, metadata="[1]"),
        await client.post(
            ASSETS,
            content=b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc',
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        ),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "invalid-upload")
    missing = await client.post("/v1/datasets/nowhere/assets", files={"image": image})
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown-dataset")


async def test_labelers_and_strangers_get_nothing(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    asset_id = (await send(client, encoded(COINS))).json()["asset_id"]
    url = f"/v1/assets/{quote(asset_id, safe='')}"
    assert routes_without_principal(ingest.process.app) == []
    async with ingest.client("labeler", team_id="t") as labeler, ingest.client("reviewer") as other:
        for caller in (labeler, other):
            for path in (url, f"{url}/image", f"{url}/thumbnail", ASSETS, SET):
                assert (await caller.get(path)).status_code == 403
            assert (await send(caller, encoded(CAT))).status_code == 403


async def test_lists_go_on_where_a_page_ends(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    for n in range(5):
        await send(client, encoded(np.roll(COINS, 40 * n, axis=1)), f"{n}.png")
    names, cursor = [], None
    while True:
        page = (
            await client.get(ASSETS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        names += [item["file_name"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(names) == [f"{n}.png" for n in range(5)]


async def test_what_was_answered_survives_a_process_that_dies(scope: Scope) -> None:
    settings = settings_of(scope, "ingest", Settings)
    async with (
        running(service(settings), scope, Kind.SERVE) as dies,
        dies.client("manager") as client,
    ):
        await client.put(SET, json={})
        await send(client, encoded(CAT))
        await send(client, encoded(COINS))
        assert await dies.database["outbox"].count_documents({}) == 0
    async with running(service(settings), scope) as revived:
        await revived.settled()
        assert len(await announced(scope)) == 2


async def test_two_runners_place_each_asset_once_and_miss_no_copy(scope: Scope) -> None:
    settings = settings_of(scope, "ingest", Settings)
    qualities = range(40, 96, 8)
    async with (
        running(service(settings), scope, Kind.SERVE) as front,
        front.client("manager") as client,
    ):
        await client.put(SET, json={})
        for quality in qualities:
            for pixels in (CAT, COINS, ROCKET):
                data = encoded(pixels, "JPEG", quality=quality)
                assert (await send(client, data, f"{len(pixels)}.jpg")).status_code == 201
        async with (
            running(service(settings), scope, Kind.RUN) as one,
            running(service(settings), scope, Kind.ALL) as two,
        ):
            await one.settled()
            await two.settled()
        announced_ids = [event.asset_id for event in await announced(scope)]
        assert len(set(announced_ids)) == len(announced_ids) == 3 * len(qualities)
        items = (await client.get(ASSETS)).json()["items"]
        assert len({(item["file_name"], item["group"]) for item in items}) == 3


async def test_a_plan_made_before_another_process_placed_assets_does_not_count(
    scope: Scope,
) -> None:
    settings = settings_of(scope, "ingest", Settings)
    async with (
        running(service(settings), scope, Kind.SERVE) as front,
        front.client("manager") as client,
    ):
        await client.put(SET, json={})
        ids = [(await send(client, encoded(p))).json()["asset_id"] for p in (CAT, COINS)]
        reader: Any = front.stores.open(None)
        prints = usecases.Prints(reader.library, front.process.runtime.resources.depot, 2)
        plans = [await usecases.plan_groups(reader.library, prints, [asset]) for asset in ids]

        async def place(plan: list[usecases.Plan]) -> None:
            async def body(session: Any) -> None:
                uow: Any = front.stores.open(session)
                await usecases.place(uow, plan)
                await uow.write()

            await front.stores.transactions.run(body)

        await place(plans[0])
        with pytest.raises(TurnTakenError):
            await place(plans[1])
        states = {i["asset_id"]: i["state"] for i in (await client.get(ASSETS)).json()["items"]}
        assert states == {ids[0]: "ingested", ids[1]: "received"}
