"""What operators and engineers do: backlogs, events in trouble, runs, models; and lost answers."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wakeline_embedded import ports
from wakeline_sdk import AsyncClient, NotFoundError, Upload
from wakeline_testing.running import SERVICES

from . import fields
from .fields import weed
from .services import Platform

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


@asynccontextmanager
async def forgetful(url: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A wire to a service that is cut before the first answer to a POST has come through."""
    host, port = url.removeprefix("http://").split(":")
    cut: list[bytes] = []

    async def carry(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while sent := await client.read(1 << 20):
            writer.write(sent)
            answer = await reader.read(1 << 20)  # the service has committed
            if sent.startswith(b"POST") and not cut:
                cut.append(answer)
                break
            back.write(answer)
        writer.close()
        back.close()

    port_here = ports.free_port()
    async with await asyncio.start_server(carry, ports.HOST, port_here):
        yield f"http://{ports.HOST}:{port_here}", cut


async def test_an_answer_that_is_lost_after_the_commit_makes_nobody_twice(
    platform: Platform,
) -> None:
    await fields.team(platform, "lost")
    token = platform.token("admin", "p-admin")
    async with (
        forgetful(platform.urls["labeling"]) as (url, cut),
        AsyncClient(platform.url, token) as client,
    ):
        client._transport._services = {**await client.operations.services(), "labeling": url}
        person = await client.people.create("Ann", team_id="lost", roles=["labeler"])
        assert b"201" in cut[0].splitlines()[0], "the service had done it"
        assert person.person_id.encode() in cut[0]
        found = [one.person_id async for one in client.people.list("lost")]
    assert found == [person.person_id]


async def test_dead_events_are_shown_retried_and_discarded(platform: Platform) -> None:
    database = platform.services["review"].database
    row = {
        "topic": "t.labeling", "stream": "t.labeling|project:gone", "key": "project:gone",
        "type": "project.configured", "sequence": 1, "since": datetime.now(UTC), "tries": 5,
        "cause": "KeyError: 'gone'", "reason": "failed", "next_try": datetime.now(UTC),
        "data": b'{"project_id": "gone"}',
    }  # fmt: skip
    await database["dead"].insert_one({"_id": "event-1", **row})
    listed = (await platform.done("dead", "list", "--json")).json
    assert [(one["service"], one["id"], one["cause"]) for one in listed] == [
        ("review", "event-1", "KeyError: 'gone'")
    ]
    table = (await platform.done("dead", "list", "review")).out
    assert "project.configured" in table
    shown = (await platform.done("dead", "show", "review", "event-1", "--json")).json
    assert shown["data"] == '{"project_id": "gone"}'
    (backlog,) = (await platform.done("backlog", "review", "--json")).json
    assert backlog["dead"] == 1
    assert len((await platform.done("backlog", "--json")).json) == len(SERVICES)

    assert (await platform.command("dead", "discard", "review", "event-1", typed="n\n")).code == 1
    await platform.done("dead", "discard", "review", "event-1", "--reason", "no use", "--yes")
    decided = (await platform.done("operations", "list", "review", "--json")).json
    (one,) = [one for one in decided if one["subject"] == "event-1"]
    assert (one["action"], one["reason"], one["row"]) == ("discard-event", "no use", None)
    assert "no use" in (await platform.done("operations", "list")).out
    shown = (await platform.done("operations", "show", "review", one["id"], "--json")).json
    assert shown["row"]["data"] == '{"project_id": "gone"}'
    assert (await platform.done("dead", "list", "--json")).json == []
    assert "there is no dead event" in (await platform.done("dead", "list")).out
    gone = await platform.command("dead", "retry", "review", "event-1")
    assert (gone.code, gone.err.count("\n")) == (1, 1)
    assert "no-such-event" in gone.err
    for kind in ("waiting", "parked"):
        assert (await platform.done(kind, "list", "--json")).json == []
    absent = await platform.command("dead", "list", "workbench")
    assert absent.code == 1
    assert "runs no service 'workbench'" in absent.err


async def test_jobs_that_were_given_up_are_shown_retried_and_discarded(platform: Platform) -> None:
    database = platform.services["labeling"].database
    now = datetime.now(UTC)
    row = {
        "kind": "open-new", "payload": {"project": "gone"}, "priority": 0, "state": "failed",
        "attempt": 21, "not_before": now, "created_at": now, "failed_at": now, "asked": 1,
        "error": "JobKillsRunnerError: its process ended 20 times without a word", "owner": None,
    }  # fmt: skip
    ours = ["never-run:1", "never-run:2"]
    await database["jobs"].insert_many([{"_id": one, **row} for one in ours])
    listed = (await platform.done("jobs", "list", "--state", "failed", "--json")).json
    assert [(one["service"], one["id"]) for one in listed] == [("labeling", one) for one in ours]
    assert "its process ended 20 times" in (await platform.done("jobs", "list", "labeling")).out
    shown = (await platform.done("jobs", "show", "labeling", "never-run:1", "--json")).json
    assert (shown["payload"], shown["state"]) == ({"project": "gone"}, "failed")

    nobodys = {"$set": {"kind": "of-no-runner"}}
    await database["jobs"].update_many({"_id": {"$in": ours}}, nobodys)
    await platform.done("jobs", "retry", "labeling", "never-run:1")
    listed = (await platform.done("jobs", "list", "--state", "queued", "labeling", "--json")).json
    # The service's own jobs come and go beside it.
    assert [(j["id"], j["attempt"]) for j in listed if j["id"] in ours] == [("never-run:1", 0)]
    named = ("jobs", "discard", "labeling", "never-run:2")
    assert (await platform.command(*named, typed="n\n")).code == 1
    await platform.done(*named, "--yes")
    assert "no job is failed" in (await platform.done("jobs", "list")).out
    gone = await platform.command("jobs", "retry", "labeling", "never-run:2")
    assert gone.code == 1
    assert "no-such-job" in gone.err
    assert (await platform.command("jobs", "list", "--state", "dead")).code == 1
    await database["jobs"].delete_many({"_id": {"$in": ours}})


async def test_a_model_is_trained_published_and_rolled_back(
    platform: Platform, tmp_path: Path
) -> None:
    name, count = "oats", 12
    paths = fields.images(tmp_path, count, seed=6)
    training = {"trainer": "boxes"}
    wanted = fields.document(name, training=training, review={"share": 0}, holdout_share=0.5)
    async with platform.client("admin", "p-admin") as client:
        await client.datasets.create(name)
        await client.teams.put(name, name="Oaters")
        await client.datasets.upload_all(name, [Upload(path) for path in paths])
        await client.projects.apply(wanted)
    await platform.settled()
    async with platform.client("labeler", "p-ann", name) as client:
        for lease in await client.leases.take(name, "mark", count=50):
            await client.leases.submit(lease, [weed(), weed("w2", left=30)])
    await platform.settled()
    assert "nothing was trained" in (await platform.done("runs", "list", name)).out

    started = ("runs", "start", name, "mark", "--set", "quality=0.9", "--json")
    run = (await platform.done(*started)).json
    assert run["parameters"] == {"quality": 0.9}
    assert run["cause"] == "person"
    ended = await ended_run(platform, run["run_id"])
    assert ended["state"] == "completed", ended
    assert "3 of 3" in (await platform.done("runs", "show", run["run_id"])).out
    log = (await platform.done("runs", "log", run["run_id"])).out
    assert log.startswith("attempt 1")
    (listed,) = (await platform.done("runs", "list", name, "--stage", "mark", "--json")).json
    assert listed["run_id"] == run["run_id"]

    (model,) = (await platform.done("models", "list", name, "--json")).json
    assert model["gate"]["verdict"] in ("passed", "underpowered")
    assert model["serving"]
    shown = (await platform.done("models", "show", model["model_version"])).out
    for words in ("gate", "hold-out assets", "ap50", "epoch 1"):
        assert words in shown
    back = (await platform.done("models", "rollback", name, "mark")).out
    assert "is served by its other predictors (epoch 2)" in back
    published = await platform.done(
        "models", "publish", model["model_version"], "--force", "--reason", "a test", "--json"
    )
    assert (published.json["serving_epoch"], published.json["serving"]) == (
        3,
        model["model_version"],
    )
    twice = await platform.command("models", "publish", model["model_version"])
    assert (twice.code, twice.err.count("\n")) == (1, 1)

    (version,) = (await platform.done("dataset-versions", "list", name, "--json")).json
    out = tmp_path / "manifest.jsonl"
    await platform.done("dataset-versions", "manifest", version["dataset_version"], "-o", out)
    lines = out.read_text().splitlines()
    assert len(lines) == sum(split["assets"] for split in version["splits"].values())
    printed = (await platform.done("dataset-versions", "manifest", version["dataset_version"])).out
    assert printed.splitlines() == lines
    export = ("datasets", "export", version["dataset_version"], "--json")
    first, second = tmp_path / "coco.json", tmp_path / "again.json"
    digests = {(await platform.done(*export, "-o", one)).json["digest"] for one in (first, second)}
    assert digests == {hashlib.sha256(first.read_bytes()).hexdigest()}
    document = json.loads(first.read_text())
    assert [one["asset_id"] for one in document["images"]] == [
        json.loads(line)["asset_id"] for line in lines
    ]
    annotations = sum(split["annotations"] for split in version["splits"].values())
    assert len(document["annotations"]) == annotations > 0
    await platform.done(*export, "-o", second, "--split", "holdout")
    held = json.loads(second.read_text())["images"]
    assert {one["split"] for one in held} == {"holdout"}
    assert [one for one in document["images"] if one["split"] == "holdout"] == held
    raw = tmp_path / "lines.jsonl"
    await platform.done(*export, "-o", raw, "--format", "jsonl")
    assert hashlib.sha256(raw.read_bytes()).hexdigest() == version["dataset_version"]

    again = (await platform.done("runs", "start", name, "mark", "--set", "step_seconds=5")).out
    second = next(one for one in again.split() if len(one) == 24)
    cancelled = await platform.done("runs", "cancel", second, "--json")
    assert cancelled.json["state"] in ("cancelled", "training", "freezing")
    assert (await ended_run(platform, second))["state"] == "cancelled"
    async with platform.client("engineer", "p-engineer") as client:
        frozen = await client.dataset_versions.get(version["dataset_version"])
        assert frozen.dataset_ids == (name,)
        with pytest.raises(NotFoundError):
            await client.runs.get("nothing")


async def ended_run(platform: Platform, run_id: str) -> dict[str, object]:
    async with asyncio.timeout(240):
        while True:
            run: dict[str, object] = (await platform.done("runs", "show", run_id, "--json")).json
            if run["ended_at"] is not None:
                return run
            await asyncio.sleep(0.3)
