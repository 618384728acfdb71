"""What a table says is attached to assets, found again, and stays out of events."""

import asyncio
import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.ingest.images import everything, picture
from wakeline_ingest import usecases
from wakeline_ingest.domain.errors import TurnTakenError
from wakeline_ingest.importing import tables
from wakeline_ingest.settings import Settings
from wakeline_ingest.usecases import describing
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published, running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SET = "/v1/datasets/fields"


@pytest.fixture
async def ingest(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings_of(scope, "ingest", Settings)), scope) as process:
        yield process


@pytest.fixture
async def client(ingest: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest.client("engineer") as opened:
        await opened.put(SET, json={})
        for n in range(4):
            await sent(opened, n)
        yield opened


async def sent(client: httpx.AsyncClient, n: int, **fields: str) -> None:
    files = {"image": (f"{n}.png", picture(n))}
    answer = await client.post(f"{SET}/assets", files=files, data=fields)
    assert answer.status_code == 201, answer.text


async def told(client: httpx.AsyncClient, table: str) -> str:
    answer = await client.post(
        f"{SET}/imports", data={"kind": "metadata"}, files={"file": ("t.csv", table.encode())}
    )
    assert answer.status_code == 202, answer.text
    return f"{SET}/imports/{answer.json()['import_id']}"


def asset_id(n: int) -> str:
    return f"fields:{hashlib.sha256(picture(n)).hexdigest()}"


async def names(client: httpx.AsyncClient, *metadata: str, **more: str) -> list[str]:
    found = await everything(client, f"{SET}/assets", metadata=list(metadata), **more)
    return sorted(str(asset["file_name"]) for asset in found)


async def test_lines_are_attached_by_name_digest_or_id_and_assets_are_found_by_them(
    ingest: RunningService, client: httpx.AsyncClient, scope: Scope
) -> None:
    await ingest.settled()
    digest = hashlib.sha256(picture(1)).hexdigest()
    table = (
        "file_name,digest,asset_id,owner,height:int\n"
        f"0.png,,,Ann Example,7\n,{digest},,Bo,7\n,,fields:{digest},Bo Example,8\n"
        "2.png,,,,seven\nnowhere.png,,,x,1\n"
    )
    where = await told(client, table)
    await ingest.settled()
    shown = (await client.get(where)).json()
    assert (shown["state"], shown["counts"]) == ("done", {"updated": 3, "refused": 2})
    lines = await everything(client, f"{where}/lines", outcome="refused")
    assert {str(line["name"]): line["code"] for line in lines} == {
        "line 5": "wrong-type",
        "line 6": "unknown-asset",
    }
    assert await names(client, "height=7") == ["0.png"]
    assert await names(client, "height=8", "owner=Bo Example") == ["1.png"]
    assert await names(client, "height=7", "owner=Bo") == []
    assert (await client.get(f"{SET}/assets", params={"metadata": "x"})).status_code == 422
    again = await told(client, table)
    await ingest.settled()
    # the second line says Bo again, and the third Bo Example: as before in the end
    assert (await client.get(again)).json()["counts"] == {
        "unchanged": 1,
        "updated": 2,
        "refused": 2,
    }
    assert await names(client, "owner=Bo Example") == ["1.png"]
    assert not any(b"Example" in event.data for event in await published(scope, "ingest"))


async def test_a_group_can_be_said_until_the_asset_is_in_one(scope: Scope) -> None:
    chosen = settings_of(scope, "ingest", Settings)
    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        for n in range(3):
            await sent(client, n)
        groups_wait = {"kind": usecases.GROUP_JOB}
        later = [{"$set": {"not_before": {"$add": ["$$NOW", 3_600_000]}}}]
        await front.database["jobs"].update_many(groups_wait, later)
        library = front.stores.open(None).library
        prints = usecases.Prints(library, front.process.runtime.resources.depot, 2)
        too_early = await usecases.plan_groups(library, prints, [asset_id(n) for n in range(3)])
        await told(client, "file_name,group\n0.png,g-0\n1.png,g-1\n")
        async with running(service(chosen), scope) as process:
            await process.settled()

            async def place(session: Any) -> None:
                await usecases.place(front.stores.open(session), too_early)

            with pytest.raises(TurnTakenError):  # it was decided before the table was read
                await front.stores.transactions.run(place)
            await front.database["jobs"].update_many(
                groups_wait, [{"$set": {"not_before": "$$NOW"}}]
            )
            await process.settled()
            items = await everything(client, f"{SET}/assets")
            groups = {str(i["file_name"]): i["group"] for i in items}
            assert (groups["0.png"], groups["1.png"]) == ("g-0", "g-1")
            where = await told(client, "file_name,group\n2.png,other\n")
            await process.settled()
            (line,) = await everything(client, f"{where}/lines")
            assert (line["outcome"], line["code"]) == ("refused", "group-is-permanent")
            same = await told(client, f"file_name,group\n2.png,{groups['2.png']}\n")
            await process.settled()
            assert (await client.get(same)).json()["counts"] == {"unchanged": 1}
            assert await names(client, group=str(groups["2.png"])) == ["2.png"]


async def test_names_of_several_assets_are_refused(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    files = {"image": ("0.png", picture(100))}
    await client.post(f"{SET}/assets", files=files)
    where = await told(client, "file_name,a\n0.png,1\n1.png,1\n")
    await ingest.settled()
    lines = await everything(client, f"{where}/lines")
    assert {str(line["name"]): line["code"] for line in lines} == {
        "line 2": "ambiguous-name",
        "line 3": None,
    }


async def test_a_table_that_hints_at_a_split_is_refused_whole(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    where = await told(client, "file_name,split\n0.png,train\n")
    await ingest.settled()
    shown = (await client.get(where)).json()
    assert (shown["state"], shown["code"]) == ("failed", "split-not-allowed")


async def test_a_table_goes_on_where_a_dead_process_was(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK", 2)
    chosen = settings_of(scope, "ingest", Settings)
    real = describing.describe
    calls: list[Any] = []

    async def dies(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            await real(*args)
            raise asyncio.CancelledError  # before the commit
        await real(*args)

    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        for n in range(4):
            await sent(client, n)
        rows = "".join(f"{n}.png,{n}\n" for n in range(4))
        where = await told(client, f"file_name,n:int\n{rows}5.png,1\n")
        with monkeypatch.context() as patched:
            patched.setattr(describing, "describe", dies)
            async with running(service(chosen), scope, Kind.RUN):
                while len(calls) < 2:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
        assert (await client.get(where)).json()["counts"] == {"updated": 2}
        await front.database["jobs"].update_many(
            {"kind": "metadata"}, [{"$set": {"state": "running", "not_before": "$$NOW"}}]
        )
        async with running(service(chosen), scope) as revived:
            await revived.settled()
        shown = (await client.get(where)).json()
        assert (shown["state"], shown["counts"]) == ("done", {"updated": 4, "refused": 1})
        assert await names(client, "n=3") == ["3.png"]


async def test_filters_and_cursors_that_are_nonsense_are_refused_or_find_nothing(
    client: httpx.AsyncClient,
) -> None:
    for text in ("a=" + "[" * 2_000, 'a="\\ud800"'):
        found = await client.get(f"{SET}/assets", params={"metadata": text})
        assert (found.status_code, found.json()["items"]) == (200, [])
    for cursor in (["x", "y"], ["0001-01-01T00:00:00+23:59", "y"], [2**63, "y"]):
        text = urlsafe_b64encode(json.dumps(cursor).encode()).decode()
        answer = await client.get(f"{SET}/imports", params={"cursor": text})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-cursor")
