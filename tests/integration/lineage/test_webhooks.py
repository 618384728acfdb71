"""Webhooks, with a real receiver: signed, in order, and never lost, whoever dies."""

import asyncio
import base64
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from standardwebhooks import Webhook as Oracle

from wakeline_embedded.ports import free_port
from wakeline_lineage.handlers import handlers
from wakeline_lineage.migrations import MIGRATIONS
from wakeline_lineage.settings import Settings, WebhookSettings
from wakeline_lineage.usecases import notifying
from wakeline_lineage.usecases.delivering import PAGE
from wakeline_lineage.wiring import service
from wakeline_messaging import Processor
from wakeline_process.processes import Kind
from wakeline_process.runtime import open_runtime
from wakeline_sdk.webhooks import verify
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running, settings_of

from . import loop
from .processes import started

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


KEY, NEW_KEY = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (250, 251))


class Receiver:
    """A receiver's process, and what it took in."""

    def __init__(self, folder: Path, pause: float = 0.0) -> None:
        self.port = free_port()
        self.file = folder / "received"
        self.pause = pause
        self.process: asyncio.subprocess.Process | None = None

    @property
    def allowed(self) -> str:
        """As the settings name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """As a subscription names it."""
        return f"http://{self.allowed}/hook"

    async def start(self) -> None:
        """Listen."""
        script = Path(__file__).with_name("receiver.py")
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), str(self.port), str(self.file), str(self.pause))
        )

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    def received(self) -> list[dict[str, Any]]:
        """Every request that was answered with success, in order."""
        lines = self.file.read_bytes().split(b"\n")[:-1] if self.file.exists() else []
        return [json.loads(line) for line in lines]

    async def until(self, count: int) -> list[dict[str, Any]]:
        """What came, once so many different events are there."""
        while True:
            received = self.received()
            if len({one["headers"]["webhook-id"] for one in received}) >= count:
                return received
            await asyncio.sleep(0.05)


@asynccontextmanager
async def listening(folder: Path, pause: float = 0.0) -> AsyncIterator[Receiver]:
    receiver = Receiver(folder, pause)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.kill()


def settings_for(scope: Scope, *receivers: Receiver, keys: str = KEY) -> Settings:
    allowed = WebhookSettings(
        receivers=tuple(one.allowed for one in receivers), keys=SecretStr(keys)
    )
    return settings_of(scope, "lineage", Settings, webhooks=allowed)


async def asked(
    process: RunningService, method: str, path: str, body: Any = None, role: str = "admin"
) -> tuple[int, Any]:
    async with process.client(role) as client:
        answer = await client.request(method, f"/v1/webhooks{path}", json=body)
    return answer.status_code, answer.json() if answer.content else None


async def subscribed(process: RunningService, url: str, **wanted: Any) -> dict[str, Any]:
    status, webhook = await asked(process, "POST", "", {"url": url, "after": 0, **wanted})
    assert status == 201, webhook
    return dict(webhook)


async def happened(process: RunningService, images: range) -> list[Any]:
    """Let events come into the history, as the consumer would."""
    publisher = Publisher(process.scope)
    events = [event for number in images for event in loop.labeled(number)]
    envelopes = [publisher.envelope(event) for event in events]
    await Processor(handlers, process.stores).process(envelopes)
    return envelopes


def check(secret: str, received: list[dict[str, Any]], envelopes: list[Any]) -> Counter[str]:
    """Every event is there, signed, and each key's came in order; how often each came."""
    times: Counter[str] = Counter()
    last: dict[tuple[str, str], int] = {}
    for one in received:
        body = one["body"].encode()
        verify(secret, one["headers"], body, tolerance=600)
        Oracle(secret).verify(body, one["headers"])  # raises unless it is as specified
        message = json.loads(body)
        stream = (message["service"], message["key"])
        if not times[one["headers"]["webhook-id"]]:
            assert message["sequence"] == last.get(stream, 0) + 1, "in order"
            last[stream] = message["sequence"]
        times[one["headers"]["webhook-id"]] += 1
    assert set(times) == {envelope.id for envelope in envelopes}
    return times


@pytest.mark.timeout(240)
async def test_a_receiver_that_dies_and_comes_back_gets_every_event_in_order(
    scope: Scope, tmp_path: Path
) -> None:
    async with (
        listening(tmp_path) as receiver,
        running(service(settings_for(scope, receiver)), scope) as process,
    ):
        webhook = await subscribed(process, receiver.url)
        envelopes = await happened(process, range(20))
        await receiver.until(40)
        await receiver.kill()
        # More happens while it is away; the platform waits, and switches nothing off.
        publisher = Publisher(scope)
        events = [event for number in range(20, 30) for event in loop.labeled(number)]
        late = [publisher.envelope(event) for event in events]
        await publisher.send(*late)
        while True:
            _, waiting = await asked(process, "GET", f"/{webhook['id']}")
            if waiting["failures"] >= 2:
                break
            await asyncio.sleep(0.05)
        assert waiting["enabled"]
        assert "Connect" in waiting["last_error"]
        assert waiting["next_try"] is not None
        await receiver.start()
        received = await receiver.until(len(envelopes) + len(late))
        check(webhook["secret"], received, [*envelopes, *late])
        async with asyncio.timeout(30):
            while (await asked(process, "GET", f"/{webhook['id']}"))[1]["lag"]:
                await asyncio.sleep(0.05)
        _, done = await asked(process, "GET", f"/{webhook['id']}")
        assert (done["failures"], done["last_error"]) == (0, None)


@pytest.mark.timeout(240)
async def test_a_runner_that_is_killed_at_work_sends_some_twice_and_loses_none(
    scope: Scope, tmp_path: Path
) -> None:
    async with listening(tmp_path, pause=0.02) as receiver:
        settings = settings_for(scope, receiver)
        async with running(service(settings), scope, Kind.SERVE) as process:
            webhook = await subscribed(process, receiver.url)
            envelopes = await happened(process, range(60))
            extra = {
                "WAKELINE_LINEAGE_WEBHOOKS__RECEIVERS": json.dumps([receiver.allowed]),
                "WAKELINE_LINEAGE_WEBHOOKS__KEYS": KEY,
            }
            log = tmp_path / "log"
            runner = await started(settings, "run", log, extra)
            await receiver.until(PAGE + PAGE // 2)
            runner.kill()
            await runner.wait()
            before = len(receiver.received())
            assert before < len(envelopes)
            runner = await started(settings, "run", log, extra)
            try:
                received = await receiver.until(len(envelopes))
            finally:
                runner.terminate()
                await runner.wait()
            times = check(webhook["secret"], received, envelopes)
            assert sum(times.values()) - len(times) <= PAGE, "one page at most comes twice"


@pytest.mark.timeout(120)
async def test_the_operator_tests_switches_off_and_replays(scope: Scope, tmp_path: Path) -> None:
    async with (
        listening(tmp_path) as receiver,
        running(service(settings_for(scope, receiver)), scope) as process,
    ):
        webhook = await subscribed(process, receiver.url, types=["label.accepted"])
        await happened(process, range(3))
        received = await receiver.until(3)
        assert {json.loads(one["body"])["type"] for one in received} == {"label.accepted"}
        _, said = await asked(process, "POST", f"/{webhook['id']}/test")
        assert said == {"delivered": True, "detail": None}
        assert json.loads((await receiver.until(4))[-1]["body"])["type"] == "webhook.test"
        assert "secret" not in (await asked(process, "GET", f"/{webhook['id']}"))[1]

        off = {"enabled": False}
        assert (await asked(process, "PATCH", f"/{webhook['id']}", off))[1]["enabled"] is False
        await happened(process, range(3, 5))
        _, waiting = await asked(process, "GET", f"/{webhook['id']}")
        assert waiting["lag"] == 2
        await asked(process, "PATCH", f"/{webhook['id']}", {"enabled": True})
        await receiver.until(6)
        assert (await asked(process, "POST", f"/{webhook['id']}/replay", {"from": 1}))[0] == 200
        async with asyncio.timeout(30):
            while len(receiver.received()) < 11:
                await asyncio.sleep(0.05)
        counts = Counter(one["headers"]["webhook-id"] for one in receiver.received())
        assert sorted(counts.values()) == [1, 2, 2, 2, 2, 2]
        assert (await asked(process, "DELETE", f"/{webhook['id']}"))[0] == 204
        assert (await asked(process, "GET", f"/{webhook['id']}"))[0] == 404


@pytest.mark.timeout(120)
async def test_a_receiver_that_takes_nothing_is_switched_off_and_goes_on_where_it_stopped(
    scope: Scope, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path)  # nobody listens yet
    rules = WebhookSettings(
        receivers=(receiver.allowed,), keys=SecretStr(KEY), patience=timedelta(seconds=2)
    )
    settings = settings_of(scope, "lineage", Settings, webhooks=rules)
    async with running(service(settings), scope) as process:
        webhook = await subscribed(process, receiver.url, types=["label.accepted"])
        await happened(process, range(3))
        while (shown := (await asked(process, "GET", f"/{webhook['id']}"))[1])["enabled"]:
            await asyncio.sleep(0.1)
        assert shown["last_error"].startswith("switched off, as nothing was taken since 20")
        assert shown["failures"] > 1
        assert shown["lag"] == 3
        await notifying.measure(process.stores.open(None))
        series = {"webhook": webhook["id"]}
        held = REGISTRY.get_sample_value("wakeline_webhook_held_seconds", series)
        assert held is not None
        assert held >= 2
        await receiver.start()
        try:
            await asked(process, "PATCH", f"/{webhook['id']}", {"enabled": True})
            assert len(await receiver.until(3)) >= 3
        finally:
            await receiver.kill()
        while (shown := (await asked(process, "GET", f"/{webhook['id']}"))[1])["lag"]:
            await asyncio.sleep(0.1)
        assert (shown["enabled"], shown["last_error"]) == (True, None)
        await notifying.measure(process.stores.open(None))
        assert REGISTRY.get_sample_value("wakeline_webhook_held_seconds", series) == 0


@pytest.mark.timeout(120)
async def test_a_receiver_that_cannot_be_called_at_all_holds_up_nobody_else(
    scope: Scope, tmp_path: Path
) -> None:
    async with (
        listening(tmp_path) as receiver,
        running(service(settings_for(scope, receiver)), scope) as process,
    ):
        bad = await subscribed(process, receiver.url)
        # As an earlier release let it in: no client makes a request of it.
        url = {"$set": {"url": f"{receiver.url}\n"}}
        await process.database["webhooks"].update_one({"_id": bad["id"]}, url)
        good = await subscribed(process, receiver.url)
        envelopes = await happened(process, range(2))
        check(good["secret"], await receiver.until(len(envelopes)), envelopes)
        async with asyncio.timeout(30):
            while not (shown := (await asked(process, "GET", f"/{bad['id']}"))[1])["failures"]:
                await asyncio.sleep(0.05)
        assert "is no URL" in shown["last_error"]


async def test_only_receivers_on_the_list_are_called_and_no_redirect_is_followed(
    scope: Scope, tmp_path: Path
) -> None:
    async with (
        listening(tmp_path) as receiver,
        running(service(settings_for(scope, receiver)), scope, Kind.SERVE) as process,
    ):
        for url, code in (
            ("http://127.0.0.1:1/", "receiver-not-allowed"),
            (f"http://user:pw@{receiver.allowed}/", "receiver-not-allowed"),
            (f"ftp://{receiver.allowed}/", "receiver-not-allowed"),
            ("http://[::1/", "receiver-not-allowed"),
        ):
            status, problem = await asked(process, "POST", "", {"url": url})
            assert (status, problem["code"]) == (422, code), url
        wanted = {"url": receiver.url, "types": ["label.admired"]}
        status, problem = await asked(process, "POST", "", wanted)
        assert (status, problem["code"]) == (422, "unknown-event-type")
        assert "label.accepted" in problem["detail"]
        for role in ("engineer", "manager", "auditor"):
            assert (await asked(process, "GET", "", role=role))[0] == 403
        while True:
            moved = await subscribed(process, f"http://{receiver.allowed}/moved")
            _, said = await asked(process, "POST", f"/{moved['id']}/test")
            if "Connect" not in str(said["detail"]):
                break
            await asyncio.sleep(0.1)
        assert said["detail"] == "HTTP 302"
        angry = await subscribed(process, f"http://{receiver.allowed}/angry")
        _, said = await asked(process, "POST", f"/{angry['id']}/test")
        assert said == {"delivered": False, "detail": "HTTP 500: not today"}
        assert receiver.received() == []


async def everything_in(database: Any) -> str:
    """All that lies in a database, as text."""
    names = await database.list_collection_names()
    return str([row for name in names async for row in database[name].find({})])


@pytest.mark.timeout(120)
async def test_a_secret_lies_sealed_and_stays_readable_when_the_key_changes(
    scope: Scope, tmp_path: Path
) -> None:
    async with listening(tmp_path) as receiver:
        first = service(settings_for(scope, receiver))
        async with running(first, scope, Kind.SERVE) as process, process.client("admin") as client:
            wanted, once = {"url": receiver.url, "after": 0}, {"Idempotency-Key": "k1"}
            webhook = (await client.post("/v1/webhooks", json=wanted, headers=once)).json()
            again = (await client.post("/v1/webhooks", json=wanted, headers=once)).json()
            assert again == webhook
            assert webhook["secret"] not in await everything_in(process.database)

        both = service(settings_for(scope, receiver, keys=f"{NEW_KEY} {KEY}"))
        async with running(both, scope) as process:
            envelopes = await happened(process, range(2))
            check(webhook["secret"], await receiver.until(len(envelopes)), envelopes)
            assert await asked(process, "POST", "/reseal") == (200, {"resealed": 1})
            assert await asked(process, "POST", "/reseal") == (200, {"resealed": 0})

        only_new = service(settings_for(scope, receiver, keys=NEW_KEY))
        async with running(only_new, scope, Kind.SERVE) as process:
            _, said = await asked(process, "POST", f"/{webhook['id']}/test")
            assert said["delivered"], said
            verify(webhook["secret"], **message(receiver.received()[-1]))

        lost = service(settings_for(scope, receiver, keys=KEY))
        async with running(lost, scope, Kind.SERVE) as process:
            _, said = await asked(process, "POST", f"/{webhook['id']}/test")
            assert "WEBHOOKS__KEYS" in said["detail"]
            status, problem = await asked(process, "POST", "/reseal")
            assert (status, problem["code"]) == (409, "sealed-secret")


@pytest.mark.timeout(120)
async def test_secrets_of_before_there_were_keys_are_sealed_and_go_on_signing(
    scope: Scope, tmp_path: Path
) -> None:
    async with listening(tmp_path) as receiver:
        before = service(settings_for(scope, receiver))
        async with running(before, scope, Kind.SERVE) as process:
            webhook = await subscribed(process, receiver.url)
            # As the release before left it: in plain text, on a database of its version.
            plain = {"$set": {"secret": webhook["secret"]}}
            await process.database["webhooks"].update_one({"_id": webhook["id"]}, plain)
            await process.database["migrations"].delete_many({"_id": {"$gt": 2}})
        async with open_runtime(before) as runtime:
            for _ in range(2):  # a kill may fall between a migration and its record
                await MIGRATIONS[2].apply(runtime.database)
        async with running(before, scope) as process:
            async with asyncio.timeout(30):
                while webhook["secret"] in await everything_in(process.database):
                    await asyncio.sleep(0.05)
            envelopes = await happened(process, range(2))
            check(webhook["secret"], await receiver.until(len(envelopes)), envelopes)


def message(request: dict[str, Any]) -> dict[str, Any]:
    """A request as `verify` wants it."""
    return {"headers": request["headers"], "body": request["body"].encode(), "tolerance": 600}
