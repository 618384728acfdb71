"""The harness's own parts: if these lie, a run proves nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import socket
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pymongo import AsyncMongoClient

from tests.system.faults.clients import Crowd
from tests.system.faults.evidence import Evidence, Told
from tests.system.faults.inflight import Gauge, Work
from tests.system.faults.ledger import Ledger
from tests.system.faults.platform import STORES, Platform, can_mount
from tests.system.faults.roads import Road
from tests.system.faults.run import Plan, Run, unfinished
from tests.system.faults.schedule import Rates, faults
from tests.system.faults.subjects import CUT, Noise, RealImages
from tests.system.faults.verdict import violations
from wakeline_embedded.layout import BLOCK
from wakeline_embedded.ports import free_port
from wakeline_embedded.state import StackState
from wakeline_testing import Scope

TARGETS = ("broker", "mongod", "seaweedfs", "labeling-serve", "review-consume")


def test_a_seed_gives_the_same_faults_again_and_another_one_others() -> None:
    def some(seed: int) -> list[object]:
        return list(islice(faults(seed, TARGETS, Rates(), ("mongod",)), 300))

    assert some(3) == some(3)
    assert some(3) != some(4)


def test_kills_go_round_and_rates_are_kept() -> None:
    made = list(islice(faults(5, TARGETS, Rates(), ("mongod",)), 4_000))
    kills = Counter(fault.target for fault in made if fault.kind == "kill")
    assert max(kills.values()) - min(kills.values()) <= 1
    kinds = Counter(fault.kind for fault in made)
    assert set(kinds) == {"kill", "pause", "cut", "slow", "fill"}
    assert 0.9 < kinds["kill"] / len(made) < 0.97
    assert {fault.target for fault in made if fault.kind == "fill"} == {"mongod"}
    assert all(fault.seconds <= Rates().longest for fault in made)


def test_without_a_disk_of_its_own_nothing_is_filled() -> None:
    made = islice(faults(5, TARGETS, Rates(fill=0.5)), 200)
    assert "fill" not in {fault.kind for fault in made}


def test_a_ledger_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.write("label", label_id="one")
    ledger.close()
    with path.open("ab") as file:
        file.write(b'{"what": "label", "label_i')
    again = Ledger(path)
    again.write("label", label_id="two")
    again.close()
    assert [entry["label_id"] for entry in Ledger(path).of("label")] == ["one", "two"]


def test_work_belongs_to_the_process_that_has_it_in_hand() -> None:
    work = Work(requests={"labeling": 2}, outbox={"review": 3}, lag={"training": 5})
    assert work.of("labeling-serve") == 2
    assert work.of("labeling-relay") == 0
    assert work.of("review-relay") == 3
    assert work.of("training-consume") == 5
    assert work.of("training-run") == 0
    assert work.of("mongod") == work.total() == 10


async def test_a_road_can_be_slow_and_closed() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    road = Road(free_port(), server.sockets[0].getsockname()[1])
    await road.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", road.port)
    writer.write(b"quick")
    assert await reader.readexactly(5) == b"quick"
    road.delay = 0.2
    began = asyncio.get_running_loop().time()
    writer.write(b"slow!")
    assert await reader.readexactly(5) == b"slow!"
    assert asyncio.get_running_loop().time() - began >= 0.4  # there and back
    await road.close()
    with pytest.raises(ConnectionError):
        await reader.readexactly(1) if await reader.read(1) else _gone()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", road.port)
    server.close()


@pytest.mark.timeout(300)
async def test_a_platform_that_does_not_come_up_leaves_nothing_behind(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "run")
    platform.home.mkdir()
    taken = socket.create_server(("127.0.0.1", platform._base() + BLOCK + 1))
    with taken, pytest.raises(RuntimeError, match="is taken by"):
        await platform.up(small_disks=can_mount() is None)
    servers = StackState.load(platform.servers)
    assert servers is not None, "the stores had been up"
    assert servers.up_after is not None
    assert (servers.survivors, servers.supervised) == ((), False)
    assert not [name for name in STORES if (platform.servers.root / name).is_mount()]
    for road in platform.roads.values():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", road.port)


class OutOfReach(Platform):
    """A platform whose MongoDB does not answer."""

    def dsn(self, *, by_road: bool = False) -> str:
        return f"mongodb://127.0.0.1:{free_port()}"


async def test_people_go_on_while_nobody_can_look_at_what_is_left(tmp_path: Path) -> None:
    run = Run(
        Plan(tmp_path, seed=1, kills=0, patience=1.0), lambda _: None, OutOfReach(tmp_path / "run")
    )
    gauge = Gauge(run.platform.dsn(), "127.0.0.1:1", {})
    run.crowd = Crowd(run.platform, run.ledger, gauge, 1, Noise(1))
    people = asyncio.create_task(run.crowd.stop.wait())
    await run._come_to_rest(people)
    assert run.crowd.closing.is_set()
    assert not people.done()
    people.cancel()
    await gauge.close()


@pytest.mark.mongo
async def test_tasks_that_open_between_two_reads_are_not_overlooked(scope: Scope) -> None:
    async with AsyncMongoClient[dict[str, Any]](scope.mongo_dsn) as mongo:
        tasks = mongo[scope.database("tasks")]["tasks"]
        asked = tasks.count_documents

        async def and_then_all_open(wanted: dict[str, Any]) -> int:
            found = await asked(wanted)
            await tasks.update_one({"_id": 1}, {"$set": {"state": "open"}}, upsert=True)
            return found

        tasks.count_documents = and_then_all_open
        assert any((await unfinished(tasks, sent=1)).values())


def _gone() -> None:
    raise ConnectionResetError


START = "2026-01-01T00:00:00+00:00"
LATER = "2026-01-01T00:00:30+00:00"
TIME = 1767225600.0
"""START, as the ledger's clock counts."""


def _lease(number: int, person: str, start: str, end: str, **facts: object) -> dict[str, object]:
    about = {"lease_id": f"t.{person}.{number}", "task_id": "t", "fence": number}
    times = {"leased_at": start, "expires_at": end}
    return {"what": "lease", "at": TIME, "person": person, **about, **times, **facts}


def _told(topic: str, kind: str, sequence: int, about: str) -> Told:
    return Told(f"wakeline.{topic}", "a", sequence, kind, f"{topic}{sequence}", about)


def sound() -> Evidence:
    """One asset with one accepted label, and everything as it should be."""
    about = {"lease_id": "t.ann.1", "task_id": "t"}
    ends = {
        "wakeline.ingest|a": 1,
        "wakeline.labeling|a": 2,
        "wakeline.review|a": 1,
    }
    events = [
        _told("ingest", "asset.ingested", 1, "a"),
        _told("labeling", "task.opened", 1, "t"),
        _told("labeling", "label.completed", 2, "l"),
        _told("review", "label.accepted", 1, "l"),
    ]
    return Evidence(
        ledger=[
            {"what": "asset", "at": TIME, "number": 0, "asset_id": "a"},
            _lease(1, "ann", START, LATER),
            {"what": "submitting", "at": TIME + 1, **about, "shapes": "s"},
            {"what": "label", "at": TIME + 2, **about, "label_id": "l", "shapes": "s"},
            {"what": "verdict", "at": TIME + 3, "label_id": "l", "verdict": "accepted"},
        ],
        assets={"a": "ingested"},
        tasks=["a"],
        labels=[{"label_id": "l", **about, "state": "accepted", "shapes": "s"}],
        reviews={"l": "accepted"},
        left={"labeling": {"outbox": 0, "dead": 0}},
        streams=ends,
        marks={
            "labeling": {"wakeline.ingest|a": 1, "wakeline.review|a": 1},
            "review": {"wakeline.labeling|a": 2},
        },
        reads={
            "labeling": ["wakeline.ingest", "wakeline.review"],
            "review": ["wakeline.labeling"],
        },
        events=events,
        history=list(events),
        hashes={"labeling": ("same", "same")},
    )


def test_sound_evidence_has_no_violation_and_copies_on_a_topic_are_none() -> None:
    evidence = sound()
    evidence.events += evidence.events
    assert violations(evidence) == []


def _second_lease(evidence: Evidence, **facts: object) -> None:
    evidence.ledger.insert(2, _lease(2, "bob", "2026-01-01T00:00:00.5+00:00", LATER, **facts))


TAMPERINGS: dict[str, Callable[[Evidence], object]] = {
    "asset a was acknowledged and is lost": lambda e: e.assets.clear(),
    "asset a was told 0 times": lambda e: e.events.pop(0),
    "asset a has 2 tasks": lambda e: e.tasks.append("a"),
    "label l was acknowledged and is lost": lambda e: e.labels.clear(),
    "label l is not what was sent": lambda e: e.labels[0].update(shapes="x"),
    "label l was told 2 times": lambda e: e.events.append(
        _told("labeling", "label.completed", 3, "l")
    ),
    "label l was refused, and counts": lambda e: e.ledger.append(
        {"what": "late", "at": TIME, "lease_id": "t.ann.1"}
    ),
    "label m was sent by nobody": lambda e: e.labels.append(
        {"label_id": "m", "lease_id": "t.ann.9", "state": "accepted", "shapes": "s"}
    ),
    "label l was accepted, and its review says None": lambda e: e.reviews.clear(),
    "label l was accepted, and labeling says submitted": lambda e: e.labels[0].update(
        state="submitted"
    ),
    "label.rejected was told 1 times": lambda e: e.events.append(
        _told("review", "label.rejected", 2, "l")
    ),
    "bob got it 0.500 s before ann was through": _second_lease,
    "fence 1 was given to ann and to bob": lambda e: _second_lease(e, fence=1),
    "lease t.ann.1 was given to two people": lambda e: _second_lease(e, lease_id="t.ann.1"),
    "labeling: 1 dead left": lambda e: e.left["labeling"].update(dead=1),
    "wakeline.labeling|a: [1] of 2 were never published": lambda e: e.events.pop(1),
    "wakeline.review|a: [2] of 2 were never published": lambda e: e.streams.update(
        {"wakeline.review|a": 2}
    ),
    "sequence 1 is 2 different events": lambda e: e.events.append(
        replace(e.events[1], id="another")
    ),
    "labeling has taken in 0 of 1 of wakeline.review|a": lambda e: e.marks["labeling"].pop(
        "wakeline.review|a"
    ),
    "lineage has no label.completed wakeline.labeling|a|2": lambda e: e.history.pop(2),
    "lineage knows nothing of label l": lambda e: e.history.pop(2),
    "lineage has task.opened wakeline.labeling|a|1 2 times": lambda e: e.history.append(
        e.history[1]
    ),
    "lineage has label.rejected wakeline.review|a|9, which": lambda e: e.history.append(
        _told("review", "label.rejected", 9, "l")
    ),
    "lineage misses [3] of review|a": lambda e: e.gaps.append(
        {"service": "review", "key": "a", "missing": [3]}
    ),
    "state same became other": lambda e: e.hashes.update(labeling=("same", "other")),
    "lease was answered with 500": lambda e: e.ledger.append(
        {"what": "surprise", "at": TIME, "asked": "lease", "status": 500, "answer": "oh"}
    ),
}


@pytest.mark.parametrize("line", TAMPERINGS)
def test_the_verdict_names_what_was_tampered_with(line: str) -> None:
    evidence = deepcopy(sound())
    TAMPERINGS[line](evidence)
    assert any(line in found for found in violations(evidence)), violations(evidence)


def test_people_draw_what_is_on_a_cut_and_turn_it_with_the_picture(tmp_path: Path) -> None:
    pixels = np.zeros((CUT, 3 * CUT, 3), np.uint8)
    pixels[20:60, CUT + 40 : CUT + 80] = 255  # whole, in the second cut
    pixels[90:140, 2 * CUT - 10 : 2 * CUT + 80] = 255  # of this one, most lies in the third
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "images" / "one.png")
    boxes = ([CUT + 40, 20, 40, 40], [2 * CUT - 10, 90, 90, 50])
    document = {
        "images": [{"id": 1, "file_name": "one.png", "width": 3 * CUT, "height": CUT}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": 0}
            | {"area": box[2] * box[3], "segmentation": []}
            for n, box in enumerate(boxes)
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    subject = RealImages(tmp_path)
    seen = set()
    for number in range(12):
        data, group = subject.picture(number)
        seen.add(data)
        assert group == "one"
        drawn = subject.shapes(f"fields:{hashlib.sha256(data).hexdigest()}", Random(number))
        assert len(drawn) == (0, 1, 1)[number % 3]
        for shape in drawn:
            x_min, y_min, x_max, y_max = (round(one) for one in shape["geometry"]["corners"])
            with Image.open(io.BytesIO(data)) as picture:
                inside = np.asarray(picture)[y_min + 4 : y_max - 4, x_min + 4 : x_max - 4]
            assert inside.size
            assert (inside == 255).all()
    assert len(seen) > 8
    with pytest.raises(IndexError):
        subject.picture(12)
