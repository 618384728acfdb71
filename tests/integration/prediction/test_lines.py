"""Predictions line by line: as many as are sent, each stored or refused with its reason."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_prediction.wiring import service
from wakeline_process import lines
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import ISSUER, Publisher, RunningService, running

from .kit import PROJECT, completed, configured, ingest, opened, settings

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
URL = "/v1/predictions/lines"
ASKED = {"project": PROJECT, "stage": "outline", "predictor": "external.sam", "version": "1"}


def line(name: str, *, x: float = 4.0, class_name: str = "spot", **more: Any) -> bytes:
    box = {"kind": "box", "corners": [x, 4.0, x + 10, 14.0]}
    shape = {"id": "1", "class_name": class_name, "geometry": box, "score": 0.5}
    return orjson.dumps({"asset_id": f"pictures:{name}", "shapes": [shape], **more})


@pytest_asyncio.fixture(loop_scope="session")
async def expecting(prediction: RunningService, others: Publisher) -> RunningService:
    """The service, once it knows a project that takes predictions of others."""
    await others.publish(configured({"name": "external"}, kinds=("box",)))
    await prediction.settled()
    return prediction


async def send(
    client: httpx.AsyncClient, body: bytes | AsyncIterator[bytes], key: str | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = await client.post(URL, params=ASKED, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    summary, *refusals = map(orjson.loads, answer.text.splitlines())
    return summary, refusals


async def test_each_line_is_stored_or_refused_with_its_number_and_reason(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "known")
    await others.publish(configured({"name": "external"}, kinds=("box",)), opened(shown))
    await prediction.settled()
    body = b"\n".join(
        [
            b"\xef\xbb\xbf" + line("good") + b"\r",
            b"",
            b'{"asset_id": "pictures:nan", "shapes": [], "uncertainty": NaN}',
            line("huge", x=1e9),
            line("alien", class_name="blot"),
            line("known", x=4_000.0),
            b"[1, 2",
            b'"text"',
            b"\xff\xfe",
            line("good", x=5.0),
            b"[" * 100_000,
            line("known"),
        ]
    )
    summary, refusals = await send(prediction.client("engineer"), body)
    assert summary == {"lines": 12, "stored": 3, "refused": 8}
    assert [(each["line"], each["code"]) for each in refusals] == [
        (3, "not-json"),
        (4, "invalid-item"),
        (5, "unknown-class"),
        (6, "invalid-shapes"),
        (7, "not-json"),
        (8, "invalid-item"),
        (9, "not-json"),
        (11, "not-json"),
    ]
    assert "less than or equal to 1000000" in refusals[1]["detail"]
    assert "it has spot" in refusals[2]["detail"]
    await prediction.settled()
    (said,) = await completed(stocked)
    assert (said.asset_id, said.predictor) == ("pictures:known", "external.sam")
    row = await prediction.database["targets"].find_one({"_id": f"{PROJECT}/outline|pictures:good"})
    uploads = await prediction.database["uploads"].find({"asset_id": "pictures:good"}).to_list()
    latest = {each["_id"]: each for each in uploads}[row["uploads"][0]["id"]]
    assert latest["shapes"]["items"][0]["geometry"]["corners"][0] == 5.0


async def test_an_import_that_broke_off_goes_on_where_it_was(
    expecting: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PART_LINES", 3)
    engineer = expecting.client("engineer")
    wanted = [line(f"a{n}") if n % 4 else b"nonsense" for n in range(20)]

    async def broken() -> AsyncIterator[bytes]:
        yield b"\n".join(wanted[:8]) + b"\n"
        raise ConnectionResetError

    headers = {"Idempotency-Key": "k"}
    answer = await engineer.post(URL, params=ASKED, content=broken(), headers=headers)
    assert answer.status_code == 500  # what nobody is there to read
    begun = await expecting.database["line_imports"].find_one({})
    assert 0 < begun["through"] <= 8
    summary, refusals = await send(engineer, b"\n".join(wanted), "k")
    assert summary == {"lines": 20, "stored": 15, "refused": 5}
    assert [each["line"] for each in refusals] == [1, 5, 9, 13, 17]
    assert await expecting.database["uploads"].count_documents({}) == 15
    again = await send(engineer, b"\n".join(wanted), "k")
    assert again == (summary, refusals)
    other = await engineer.post(
        URL, params=ASKED | {"version": "2"}, content=b"", headers={"Idempotency-Key": "k"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_key_that_comes_again_with_other_lines_is_refused(
    expecting: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PART_LINES", 3)
    engineer = expecting.client("engineer")
    night = [line(f"a{n}") for n in range(8)]
    await send(engineer, b"\n".join(night), "night-3")
    others_lines = [line(f"b{n}") for n in range(20)]
    for other in (others_lines, [*night[:7], others_lines[0]], night[:7], []):
        answer = await engineer.post(
            URL, params=ASKED, content=b"\n".join(other), headers={"Idempotency-Key": "night-3"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert await expecting.database["uploads"].count_documents({}) == 8
    ended = b"\n".join([*night, line("late"), b""])  # the same, with more behind it
    summary, _ = await send(engineer, ended, "night-3")
    assert summary == {"lines": 9, "stored": 9, "refused": 0}
    row = {"$inc": {"through": -1}}  # the release before moves this alone
    await expecting.database["line_imports"].update_one({"_id": "p-test:night-3"}, row)
    assert (await send(engineer, ended, "night-3"))[0]["lines"] == 9


async def test_two_requests_of_one_key_with_other_lines_are_not_mixed(
    expecting: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PART_LINES", 5)
    engineer = expecting.client("engineer")

    async def ask(letter: str, count: int) -> int:
        body = b"\n".join(line(f"{letter}{n}") for n in range(count))
        headers = {"Idempotency-Key": "k"}
        return (await engineer.post(URL, params=ASKED, content=body, headers=headers)).status_code

    told = await asyncio.gather(ask("a", 60), ask("b", 60), ask("c", 3))
    assert sorted(told) == [200, 422, 422]
    stored = await expecting.database["uploads"].distinct("asset_id")
    assert len({name.removeprefix("pictures:")[0] for name in stored}) == 1


async def test_two_requests_of_one_key_store_each_line_once(
    expecting: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PART_LINES", 5)
    engineer = expecting.client("engineer")
    body = b"\n".join(line(f"a{n}") for n in range(60))
    answers = await asyncio.gather(*(send(engineer, body, "k") for _ in range(3)))
    assert answers == [({"lines": 60, "stored": 60, "refused": 0}, [])] * 3
    assert await expecting.database["uploads"].count_documents({}) == 60


async def test_what_is_there_already_is_not_written_again(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "known")
    await others.publish(configured({"name": "external"}, kinds=("box",)), opened(shown))
    engineer = prediction.client("engineer")
    await prediction.settled()
    for _ in range(2):
        await send(engineer, line("known"))
        await prediction.settled()
    assert len(await completed(stocked)) == 1


async def test_a_line_without_an_end_costs_no_memory_and_no_other_line(
    expecting: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 10_000)

    async def body() -> AsyncIterator[bytes]:
        yield line("a") + b"\n"
        for _ in range(100):
            yield b"x" * 5_000
        yield b"\n" + line("b")

    summary, refusals = await send(expecting.client("engineer"), body())
    assert summary == {"lines": 3, "stored": 2, "refused": 1}
    assert [(each["line"], each["code"]) for each in refusals] == [(2, "line-too-long")]


async def test_a_file_of_nothing_but_mistakes_is_not_read_to_its_end(
    expecting: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_REFUSED", 10)
    monkeypatch.setattr(lines, "PART_LINES", 5)
    answer = await expecting.client("engineer").post(URL, params=ASKED, content=b"{}\n" * 100)
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many-refused")
    assert "asset_id" in answer.json()["detail"]
    assert answer.json()["through"] == 15


async def test_an_import_stops_while_too_much_waits_to_be_sent_and_says_how_far_it_is(
    stocked: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PART_LINES", 5)
    async with running(service(settings(stocked)), stocked) as consuming:
        await Publisher(stocked).publish(configured({"name": "external"}, kinds=("box",)))
        await consuming.settled()
    async with running(service(settings(stocked)), stocked, Kind.SERVE) as serving:

        async def body() -> AsyncIterator[bytes]:
            yield b"\n".join(line(f"a{n}") for n in range(50)) + b"\n"
            long_ago = datetime.now(UTC) - timedelta(minutes=2)
            outbox = serving.database["outbox"]
            await outbox.insert_one({"key": "a", "sequence": 1, "time": long_ago})
            yield b"\n".join(line(f"b{n}") for n in range(200))

        engineer = serving.client("engineer")
        headers = {"Idempotency-Key": "k"}
        answer = await engineer.post(URL, params=ASKED, content=body(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (429, "backlog")
        assert int(answer.headers["Retry-After"]) > 0
        stored = await serving.database["uploads"].count_documents({})
        assert answer.json()["through"] <= stored < 250
        await serving.database["outbox"].delete_many({})
        whole = [f"a{n}" for n in range(50)] + [f"b{n}" for n in range(200)]
        summary, _ = await send(engineer, b"\n".join(map(line, whole)), "k")
        assert summary == {"lines": 250, "stored": 250, "refused": 0}


async def test_an_import_whose_service_is_killed_loses_and_doubles_nothing(
    expecting: RunningService,
) -> None:
    port = free_port()
    headers = {"Idempotency-Key": "k"}
    wanted = [line(f"a{n}") if n % 50 else b"?" for n in range(6_000)]
    async with (
        httpx.AsyncClient(timeout=30) as client,
        _serving(expecting, port) as process,
    ):
        token = ISSUER.mint("p-test", {Role.ENGINEER}, None)
        client.headers["Authorization"] = f"Bearer {token}"
        url = f"http://127.0.0.1:{port}{URL}"
        broken = client.post(url, params=ASKED, content=_slowly(wanted), headers=headers)
        sending = asyncio.create_task(broken)
        while not await expecting.database["line_imports"].count_documents({}):
            await asyncio.sleep(0.005)
        process.kill()
        with pytest.raises(httpx.TransportError):
            await sending
    begun = await expecting.database["line_imports"].find_one({})
    assert begun["through"] < 6_000
    async with _serving(expecting, port), httpx.AsyncClient(timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        client.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        summary, refusals = await send(client, b"\n".join(wanted), "k")
    assert summary == {"lines": 6_000, "stored": 5_880, "refused": 120}
    assert [each["line"] for each in refusals] == list(range(1, 6_001, 50))
    assert await expecting.database["uploads"].count_documents({}) == 5_880
    assert await expecting.database["targets"].count_documents({}) == 5_880


async def _slowly(wanted: Sequence[bytes]) -> AsyncIterator[bytes]:
    for first in range(0, len(wanted), 250):
        yield b"\n".join(wanted[first : first + 250]) + b"\n"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _serving(like: RunningService, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A second process of a service, which serves; gone at the end, however it went."""
    known = like.process.runtime.service.settings
    own = {
        "MONGO__DSN": known.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": known.mongo.database,
        "KAFKA__BOOTSTRAP": known.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": known.kafka.topic_prefix,
        "BLOBS__ENDPOINT": known.blobs.endpoint,
        "BLOBS__ACCESS_KEY": known.blobs.access_key,
        "BLOBS__SECRET_KEY": known.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": known.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": str(port),
    }
    env = os.environ | {f"WAKELINE_PREDICTION_{name}": value for name, value in own.items()}
    command = [sys.executable, "-m", "wakeline_prediction", "serve"]
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=-3, stderr=-3)
    try:
        async with httpx.AsyncClient() as client:
            while True:
                assert process.returncode is None
                try:
                    await client.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
