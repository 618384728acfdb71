"""External predictions: run your model, upload its output, labelers see it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from wakeline_geometry.masks import encode
from wakeline_geometry.shapes import Predicted
from wakeline_prediction.api import routes
from wakeline_prediction.wiring import service
from wakeline_process.processes import Kind
from wakeline_storage import Transactions
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running

from .kit import (
    OWN,
    PROJECT,
    THRESHOLD,
    bright_model,
    completed,
    configured,
    ingest,
    opened,
    publication,
    register,
    settings,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
EXTERNAL = {"name": "external"}
URL = "/v1/predictions"


def shape(x: float = 10.0, class_name: str = "spot", **changes: Any) -> dict[str, Any]:
    ring = [x, 10.0, x + 20, 10.0, x + 20, 30.0]
    geometry = {"kind": "polygon", "parts": [ring]}
    return {"id": f"s{x}", "class_name": class_name, "geometry": geometry, "score": 0.7, **changes}


def upload(*items: dict[str, Any], predictor: str = "external.sam", version: str = "1") -> Any:
    return {
        "project": PROJECT,
        "stage": "outline",
        "predictor": predictor,
        "version": version,
        "items": list(items),
    }


def item(asset_id: str, *shapes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"asset_id": asset_id, "shapes": list(shapes), **more}


async def test_an_upload_waits_for_its_task_and_is_then_its_prelabel(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(EXTERNAL, THRESHOLD, kinds=("polygon",)))
    await prediction.settled()
    engineer = prediction.client("engineer")
    body = upload(item(shown.asset_id, shape(), uncertainty=0.25))
    answer = await engineer.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["items"] == [
        {"asset_id": shown.asset_id, "status": "stored", "code": None, "detail": None}
    ]
    await others.publish(opened(shown))
    await prediction.settled()
    (said,) = await completed(stocked)
    assert (said.predictor, said.predictor_version) == ("external.sam", "1")
    assert (said.shapes.count, said.uncertainty) == (1, 0.25)


async def test_an_upload_for_an_open_task_takes_the_place_of_a_later_choice(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(EXTERNAL, OWN, THRESHOLD), opened(shown))
    await prediction.settled()
    engineer = prediction.client("engineer")
    box = {"kind": "mask", "size": [96, 128], "counts": _square_counts()}
    body = upload(item(shown.asset_id, shape(geometry=box)))
    assert (await engineer.post(URL, json=body)).status_code == 201
    await prediction.settled()
    again = await engineer.post(URL, json=body)
    assert again.json()["stored"] == 1
    await prediction.settled()
    await register(stocked, "v1", bright_model())
    await others.publish(publication("v1", 1))
    await prediction.settled()
    said = [(each.predictor, each.serving_epoch) for each in await completed(stocked)]
    assert said == [("heuristic.threshold", 0), ("external.sam", 0), ("external.sam", 1)]


async def test_no_upload_is_overlooked_by_tasks_that_open_at_the_same_moment(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await others.publish(configured(EXTERNAL, THRESHOLD, kinds=("mask", "polygon")))
    await prediction.settled()
    shown = [await ingest(stocked, f"a{n}") for n in range(24)]
    engineer = prediction.client("engineer")
    answers, _ = await asyncio.gather(
        asyncio.gather(
            *(engineer.post(URL, json=upload(item(each.asset_id, shape()))) for each in shown)
        ),
        others.publish(*(opened(each) for each in shown)),
    )
    assert {answer.status_code for answer in answers} == {201}
    await prediction.settled()
    rows = await prediction.database["targets"].find({}).to_list()
    assert [row["answer"]["predictor"] for row in rows] == ["external.sam"] * len(shown)


async def test_an_upload_listed_behind_the_model_gives_way_to_it(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await register(stocked, "v1", bright_model())
    await others.publish(configured(OWN, EXTERNAL, kinds=("mask", "polygon")), opened(shown))
    await prediction.settled()
    engineer = prediction.client("engineer")
    await engineer.post(URL, json=upload(item(shown.asset_id, shape())))
    await prediction.settled()
    await others.publish(publication("v1", 1))
    await prediction.settled()
    said = [each.predictor for each in await completed(stocked)]
    assert said == ["external.sam", "own"]


async def test_the_latest_version_of_an_upload_counts(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(EXTERNAL, kinds=("polygon",)), opened(shown))
    await prediction.settled()
    engineer = prediction.client("engineer")
    for version in ("1", "2"):
        body = upload(item(shown.asset_id, shape()), version=version)
        assert (await engineer.post(URL, json=body)).status_code == 201
        await prediction.settled()
    said = [each.predictor_version for each in await completed(stocked)]
    assert said == ["1", "2"]


async def test_bad_items_are_refused_one_by_one_with_their_reasons(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "known")
    await others.publish(configured(EXTERNAL, kinds=("polygon",)), opened(shown))
    await prediction.settled()
    point = {"kind": "point", "at": [1, 1]}
    answer = await prediction.client("engineer").post(
        URL,
        json=upload(
            item("pictures:good", shape()),
            item("pictures:good", shape(11)),
            item("pictures:alien", shape(class_name="blot"), shape(class_name="mess")),
            item("pictures:point", shape(geometry=point)),
            item(shown.asset_id, shape(4_000)),
            item("pictures:twice", shape(), shape()),
            item("pictures:odd", {"id": "x", "class_name": "spot", "geometry": {"kind": "blob"}}),
            {"shapes": []},
            item("pictures:sure", uncertainty=7),
        ),
    )
    assert answer.status_code == 201
    got = answer.json()
    assert (got["stored"], got["refused"]) == (1, 8)
    assert [each["code"] for each in got["items"]] == [
        None,
        "repeated-asset",
        "unknown-class",
        "invalid-shapes",
        "invalid-shapes",
        "invalid-shapes",
        "invalid-item",
        "invalid-item",
        "invalid-item",
    ]
    assert "blot, mess" in got["items"][2]["detail"]
    assert "outside the image" in got["items"][4]["detail"]


async def test_shapes_too_many_for_a_document_are_a_blob(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    many, few = [await ingest(stocked, name) for name in ("many", "few")]
    await others.publish(configured(EXTERNAL, kinds=("polygon",)), opened(many), opened(few))
    await prediction.settled()
    crowd = [shape(id=f"s{n}") for n in range(600)]
    body = upload(item(many.asset_id, *crowd), item(few.asset_id, shape()))
    answer = await prediction.client("engineer").post(URL, json=body)
    assert answer.json()["stored"] == 2
    await prediction.settled()
    said = {each.asset_id: each.shapes for each in await completed(stocked)}
    assert said[many.asset_id].count == 600
    assert (said[many.asset_id].items, said[few.asset_id].blob) == (None, None)
    stored = prediction.database["uploads"]
    assert (await stored.find_one({"asset_id": many.asset_id}))["shapes"]["items"] is None
    page = await prediction.client("engineer").get(URL, params={"asset_id": many.asset_id})
    assert page.json()["items"][0]["shapes"] == [
        Predicted.model_validate(each).model_dump(mode="json") for each in crowd
    ]


async def test_a_stage_takes_uploads_only_of_predictors_that_it_lists(
    prediction: RunningService, others: Publisher
) -> None:
    named = {"name": "external.yolo"}
    await others.publish(configured(named, kinds=("polygon",)))
    await prediction.settled()
    engineer = prediction.client("engineer")
    refused = await engineer.post(URL, json=upload(item("pictures:a", shape())))
    assert (refused.status_code, refused.json()["code"]) == (409, "predictor-not-listed")
    taken = upload(item("pictures:a", shape()), predictor="external.yolo")
    assert (await engineer.post(URL, json=taken)).status_code == 201
    elsewhere = upload(item("pictures:a")) | {"project": "nowhere"}
    missing = await engineer.post(URL, json=elsewhere)
    assert (missing.status_code, missing.json()["code"]) == (404, "no-such-stage")


@pytest.mark.parametrize("role", ["labeler", "reviewer"])
async def test_people_who_label_reach_no_predictions(
    prediction: RunningService, others: Publisher, role: str
) -> None:
    client = prediction.client(role)
    assert (await client.post(URL, json=upload(item("pictures:a")))).status_code == 403
    assert (await client.get(URL, params={"asset_id": "pictures:a"})).status_code == 403


async def test_a_repeated_request_is_answered_as_before(
    prediction: RunningService, others: Publisher
) -> None:
    await others.publish(configured(EXTERNAL, kinds=("polygon",)))
    await prediction.settled()
    engineer = prediction.client("engineer")
    body, key = upload(item("pictures:a", shape())), {"Idempotency-Key": "once"}
    first = await engineer.post(URL, json=body, headers=key)
    second = await engineer.post(URL, json=body, headers=key)
    assert first.json() == second.json()
    assert await prediction.database["uploads"].count_documents({}) == 1


async def test_uploads_that_arrive_together_have_each_its_own_answer(
    prediction: RunningService, others: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, transactions = Transactions.run, 0

    async def counted(self: Transactions, *args: Any) -> Any:
        nonlocal transactions
        transactions += 1
        return await run(self, *args)

    await others.publish(configured({"name": "external.sam"}, kinds=("polygon",)))
    await prediction.settled()
    engineer = prediction.client("engineer")

    async def post(name: str, key: str, *, x: float = 10.0, **more: Any) -> Any:
        body = upload(item(f"pictures:{name}", shape(x)), **more)
        return await engineer.post(URL, json=body, headers={"Idempotency-Key": key})

    await post("used", "used")
    monkeypatch.setattr(Transactions, "run", counted)
    answers = await asyncio.gather(
        post("a", "a"),
        post("a", "a"),
        post("b", "used"),
        post("c", "c", predictor="external.yolo"),
        post("same", "first"),
        post("same", "second", x=20.0),
        *(post(f"n{n}", f"n{n}") for n in range(20)),
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201, 201, 422, 409, *[201] * 22]
    assert answers[0].json() == answers[1].json()
    codes = [answer.json()["code"] for answer in answers[2:4]]
    assert codes == ["idempotency-key-reused", "predictor-not-listed"]
    same = await prediction.database["targets"].find_one({"asset_id": "pictures:same"})
    assert len(same["uploads"]) == 1
    assert await prediction.database["uploads"].count_documents({}) == 24
    assert transactions < 20, "a transaction each: nothing went together"


async def test_an_upload_whose_target_is_held_keeps_no_other_waiting(
    prediction: RunningService, others: Publisher
) -> None:
    await others.publish(configured(EXTERNAL, kinds=("polygon",)))
    await prediction.settled()
    engineer = prediction.client("engineer")
    bodies = [upload(item(f"pictures:a{n}", shape()), version="2") for n in range(8)]
    await engineer.post(URL, json=bodies[-1] | {"version": "1"})
    held = {"asset_id": "pictures:a7"}
    client = prediction.process.runtime.client
    async with client.start_session() as dead, await dead.start_transaction():
        targets = prediction.database["targets"]
        await targets.update_one(held, {"$set": {"priority": 7}}, session=dead)
        *free, waiting = [asyncio.create_task(engineer.post(URL, json=body)) for body in bodies]
        answers = await asyncio.gather(*free)
        assert {answer.status_code for answer in answers} == {201}
        assert not waiting.done()
        await dead.abort_transaction()
    assert (await waiting).status_code == 201


async def test_bulk_requests_wait_while_too_much_waits_to_be_sent(stocked: Scope) -> None:
    async with running(service(settings(stocked)), stocked, Kind.SERVE) as serving:
        long_ago = datetime.now(UTC) - timedelta(minutes=2)
        await serving.database["outbox"].insert_one({"key": "a", "sequence": 1, "time": long_ago})
        answer = await serving.client("engineer").post(URL, json=upload(item("pictures:a")))
        assert (answer.status_code, answer.json()["code"]) == (429, "backlog")
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_model_without_a_name_is_plainly_external(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(EXTERNAL, kinds=("polygon",)), opened(shown))
    await prediction.settled()
    body = upload(item(shown.asset_id, shape()), predictor="external")
    assert (await prediction.client("engineer").post(URL, json=body)).status_code == 201
    await prediction.settled()
    (said,) = await completed(stocked)
    assert said.predictor == "external"


async def test_what_was_predicted_can_be_read_page_by_page(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(EXTERNAL, THRESHOLD, kinds=("mask", "polygon")), opened(shown))
    await prediction.settled()
    engineer = prediction.client("engineer")
    await engineer.post(URL, json=upload(item(shown.asset_id, shape())))
    await prediction.settled()
    params: dict[str, Any] = {"asset_id": shown.asset_id, "limit": 1}
    newest = (await engineer.get(URL, params=params)).json()
    assert [each["predictor"] for each in newest["items"]] == ["external.sam"]
    assert newest["items"][0]["shapes"][0]["geometry"]["kind"] == "polygon"
    oldest = (await engineer.get(URL, params=params | {"cursor": newest["next"]})).json()
    assert [each["predictor"] for each in oldest["items"]] == ["heuristic.threshold"]
    assert (await engineer.get(URL)).json()["code"] == "nothing-asked-for"
    status = await engineer.get(f"{URL}/status", params={"project": PROJECT, "stage": "outline"})
    assert status.json() == {
        "serving_epoch": 0,
        "model_version": None,
        "answered": 1,
        "failed": 0,
        "stale": 0,
        "unanswered": 0,
    }


async def test_a_page_of_very_many_shapes_ends_before_its_limit(
    stocked: Scope,
    prediction: RunningService,
    others: Publisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(EXTERNAL, kinds=("polygon",)), opened(shown))
    await prediction.settled()
    engineer = prediction.client("engineer")
    crowd = [shape(id=f"s{n}") for n in range(600)]
    for version in ("1", "2", "3"):
        body = upload(item(shown.asset_id, *crowd), version=version)
        assert (await engineer.post(URL, json=body)).json()["stored"] == 1
        await prediction.settled()
    stored = await prediction.database["predictions"].find({}).to_list()
    one, *_ = [row["shapes"]["blob"]["bytes"] for row in stored]
    monkeypatch.setattr(routes, "PAGE_BYTES", 2 * one)
    params: dict[str, Any] = {"asset_id": shown.asset_id}
    first = (await engineer.get(URL, params=params)).json()
    second = (await engineer.get(URL, params=params | {"cursor": first["next"]})).json()
    pages = [[each["predictor_version"] for each in page["items"]] for page in (first, second)]
    assert (pages, second["next"]) == ([["3", "2"], ["1"]], None)
    monkeypatch.setattr(routes, "PAGE_BYTES", 0)
    alone = (await engineer.get(URL, params=params)).json()
    assert [each["predictor_version"] for each in alone["items"]] == ["3"]


def _square_counts() -> str:
    bitmap = np.zeros((96, 128), dtype=bool)
    bitmap[20:40, 20:40] = True
    return encode(bitmap).counts
