"""Labels that were made elsewhere, line by line: they count, and measure nobody and nothing."""

from typing import Any

import orjson
import pytest

from wakeline_events.labeling import LabelCompleted
from wakeline_events.review import LabelAccepted, LabelRejected
from wakeline_testing.running import published

from .conftest import STAGE, Lab, asset, box
from .test_steering import act

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]
LABELS = "/v1/projects/field/stages/weeds/labels/lines"
BENCHMARKS = "/v1/projects/field/stages/weeds/benchmarks/lines"
Refusals = list[tuple[int, str]]


def line(number: int, *shapes: dict[str, Any]) -> bytes:
    return orjson.dumps({"asset_id": asset(number).asset_id, "annotations": list(shapes)})


async def send(lab: Lab, url: str, *lines: bytes, **asked: Any) -> tuple[int, Refusals]:
    answer = await lab.manager.post(url, params=asked, content=b"\n".join(lines))
    assert answer.status_code == 200, answer.text
    summary, *refused = map(orjson.loads, answer.text.splitlines())
    assert summary["refused"] == len(refused)
    await lab.service.settled()
    return summary["stored"], [(one["line"], one["code"]) for one in refused]


async def completed(lab: Lab) -> list[LabelCompleted]:
    events = [each.event() for each in await published(lab.service.scope, "labeling")]
    return [each for each in events if isinstance(each, LabelCompleted)]


async def accept(lab: Lab, *labels: LabelCompleted) -> None:
    """Answer as review does."""
    shared = set(LabelAccepted.model_fields) & set(LabelCompleted.model_fields)
    await lab.publisher.publish(
        *(
            LabelAccepted(
                **{name: getattr(label, name) for name in shared},
                merged_from=(label.label_id,),
                assisted=False,
                verdict="unreviewed",
                reviewer_id=None,
            )
            for label in labels
        )
    )
    await lab.service.settled()


async def test_imported_labels_count_and_are_nobodys_work(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(12))
    held = {
        int(row["asset"]["digest"], 16)
        async for row in lab.service.database["tasks"].find({"holdout": True})
    }
    free = sorted(set(range(12)) - held)
    assert held
    assert free
    lines = [line(n, box("a", x=float(n))) for n in range(12)]
    stored, refused = await send(lab, LABELS, *lines, source="cvat-2024")
    assert stored == len(free)
    assert refused == [(n + 1, "held-out") for n in sorted(held)]
    made = await completed(lab)
    assert {one.asset_id for one in made} == {asset(n).asset_id for n in free}
    for one in made:
        assert (one.person_id, one.imported, one.team_id) == ("import:cvat-2024", True, None)
        assert (one.p_selected, one.n_labels, one.counts) == (0.0, 1, True)
        assert (one.arm, one.prelabel, one.effort.lease_seconds) == ("assisted", None, 0.0)
    await lab.no_waiting()
    offered = await lab.lease("ann", count=20)
    assert {int(one["asset"]["digest"], 16) for one in offered} == held

    await accept(lab, *made)
    tasks = await lab.service.database["tasks"].find({"holdout": False}).to_list()
    assert {task["state"] for task in tasks} == {"closed"}


async def test_trusted_labels_may_be_held_out(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(4))
    lines = [line(n, box("a")) for n in range(4)]
    assert await send(lab, LABELS, *lines, source="gold", trusted=True) == (4, [])
    assert {one.arm for one in await completed(lab)} == {"holdout"}


async def test_a_changed_label_takes_the_place_of_the_one_before(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(1))
    asked = {"source": "cvat", "trusted": True}
    assert await send(lab, LABELS, line(0, box("a")), **asked) == (1, [])
    assert await send(lab, LABELS, line(0, box("a")), **asked) == (1, [])
    changed = line(0, box("a"), box("b", x=40.0))
    assert await send(lab, LABELS, changed, **asked) == (0, [(1, "still-on-its-way")])
    (first,) = await completed(lab)
    await accept(lab, first)
    assert await send(lab, LABELS, changed, changed, **asked) == (2, [])
    _, second = await completed(lab)
    assert (second.round, second.annotations.count) == (2, 2)
    await accept(lab, second)
    rows = await lab.service.database["labels"].find({}, sort=[("round", 1)]).to_list()
    assert [(row["round"], row["state"]) for row in rows] == [(1, "rejected"), (2, "accepted")]
    (task,) = await lab.service.database["tasks"].find({}).to_list()
    assert (task["state"], task["accepted_label"]) == ("closed", second.label_id)


async def test_what_people_or_benchmarks_have_is_left_alone(lab: Lab) -> None:
    await lab.configure(predictors=[])
    await lab.ingest(range(3))
    assert await send(lab, BENCHMARKS, line(0, box("t")), b"nonsense") == (1, [(2, "not-json")])
    truth = await lab.service.database["benchmarks"].find_one({})
    assert (truth["stage_id"], truth["asset_id"]) == (STAGE, asset(0).asset_id)
    leases = [one for one in await lab.lease("ann", count=3) if one["asset"]["digest"][-1] != "0"]
    assert (await lab.submit("ann", leases[0], box("mine"))).status_code == 201
    lines = [line(n, box("theirs")) for n in range(3)]
    stored, refused = await send(
        lab, LABELS, *lines, line(9, box("a")), line(1, box("a", class_name="moss")), b"{}",
        source="old", trusted=True,
    )  # fmt: skip
    codes = dict(refused)
    assert codes[1] == "is-benchmark"
    assert stored + len(refused) == 6
    assert "people-were-first" in {codes.get(2), codes.get(3)}
    assert (codes[4], codes[5], codes[6]) == (
        "unknown-asset",
        "invalid-annotations",
        "invalid-item",
    )


async def test_a_label_on_its_way_stays_when_its_image_becomes_a_benchmark(lab: Lab) -> None:
    await lab.configure(predictors=[], benchmark_share=1.0)
    await lab.ingest(range(2))
    assert await send(lab, LABELS, line(0, box("a")), source="old", trusted=True) == (1, [])
    assert await send(lab, BENCHMARKS, line(0, box("t"))) == (1, [])
    found = (
        await lab.service.database["slots"].find({"asset.asset_id": asset(0).asset_id}).to_list()
    )
    assert sorted((slot["number"], slot["arm"], slot["state"]) for slot in found) == [
        (0, "holdout", "submitted"),
        (1, "benchmark", "queued"),
    ]
    (lease,) = await lab.lease("ann")
    assert lease["task_id"] == found[0]["task_id"]
    assert (await lab.submit("ann", lease, box("mine"))).status_code == 201
    await lab.service.settled()
    first, scored = await completed(lab)
    assert (first.arm, scored.arm) == ("holdout", "benchmark")
    await accept(lab, first)
    (task,) = await lab.service.database["tasks"].find({"_id": lease["task_id"]}).to_list()
    assert (task["state"], task["accepted_label"]) == ("closed", first.label_id)


async def test_a_label_on_its_way_stays_when_more_images_displace_its_holdout(lab: Lab) -> None:
    await lab.configure(predictors=[], holdout_share=0.1)
    await lab.ingest(range(4))
    lines = [line(n, box("a")) for n in range(4)]
    assert await send(lab, LABELS, *lines, source="old", trusted=True) == (4, [])
    await lab.ingest(range(4, 40))
    wanted = {"asset.asset_id": {"$in": [asset(n).asset_id for n in range(4)]}}
    slots = await lab.service.database["slots"].find(wanted).to_list()
    assert [(slot["state"], slot["round"]) for slot in slots] == [("submitted", 1)] * 4


async def test_a_label_that_was_cancelled_on_its_way_is_made_anew(lab: Lab) -> None:
    await lab.configure(predictors=[])
    await lab.ingest(range(1))
    assert await send(lab, LABELS, line(0, box("a")), source="old", trusted=True) == (1, [])
    tasks = [row["_id"] async for row in lab.service.database["tasks"].find({})]
    assert (await act(lab, "cancel", tasks=tasks))["changed"] == 1
    for name in ("a", "b"):
        sent = await send(lab, LABELS, line(0, box(name)), source="old", trusted=True)
        assert sent == (0, [(1, "cancelled")])
    assert (await lab.service.database["tasks"].find_one({}))["state"] == "cancelled"
    assert (await act(lab, "reopen", tasks=tasks))["changed"] == 1
    (lease,) = await lab.lease("ann")
    assert lease["round"] == 2
    assert (await lab.submit("ann", lease, box("mine"))).status_code == 201


async def test_another_label_may_come_for_one_that_review_sent_back(lab: Lab) -> None:
    await lab.configure(predictors=[])
    await lab.ingest(range(1))
    asked = {"source": "old", "trusted": True}
    assert await send(lab, LABELS, line(0, box("a")), **asked) == (1, [])
    (first,) = await completed(lab)
    shared = set(LabelRejected.model_fields) & set(LabelCompleted.model_fields)
    said = {name: getattr(first, name) for name in shared}
    await lab.publisher.publish(LabelRejected(**said, reviewer_id="rae"))
    await lab.service.settled()
    assert await send(lab, LABELS, line(0, box("b")), **asked) == (1, [])
    assert [one.round for one in await completed(lab)] == [1, 2]
