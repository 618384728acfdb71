"""Where something comes from, what came of it, and what is said where that is not clear."""

from typing import Any

import pytest

from . import loop
from .conftest import Witness

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


def of_kind(answer: dict[str, Any], kind: str) -> set[str]:
    return {item["id"] for item in answer["items"] if item["kind"] == kind}


async def test_a_prediction_leads_back_to_images_and_an_image_on_to_the_model(
    witness: Witness,
) -> None:
    await witness.told()
    seen = range(loop.ASSETS)
    back = await witness.get(f"/v1/lineage/{loop.prediction_id(loop.LATER)}/trace")
    assert back["complete"]
    assert of_kind(back, "model") == {loop.MODEL}
    assert of_kind(back, "run") == {loop.RUN}
    assert of_kind(back, "dataset-version") == {loop.VERSION}
    assert of_kind(back, "label") == {loop.label_id(n) for n in seen}
    # What the model was given now, and what it was made of.
    assert of_kind(back, "asset") == {loop.asset_id(n) for n in (*seen, loop.LATER)}
    assert of_kind(back, "prediction") == {loop.prediction_id(n) for n in (*seen, loop.LATER)}
    assert of_kind(back, "predictor") == {"heuristic.ndvi@1"}
    assert {"p-ann", "p-eve"} <= of_kind(back, "person")
    assert of_kind(back, "benchmark") == {"weeds/outline|fields:trusted"}
    (model,) = [item for item in back["items"] if item["kind"] == "model"]
    assert model["links"][0]["node"] == f"prediction:{loop.prediction_id(loop.LATER)}"
    assert model["links"][0]["says"] == "made"
    assert model["facts"]["gate"] == "passed"

    on = await witness.get(f"/v1/lineage/{loop.digest(0)}/impact")
    assert of_kind(on, "model") == {loop.MODEL}
    assert of_kind(on, "label") == {loop.label_id(0), loop.label_id(loop.LATER)}
    later = await witness.get(f"/v1/lineage/{loop.asset_id(loop.LATER)}/impact")
    assert of_kind(later, "model") == set(), "no model was trained on it"
    ann = await witness.get("/v1/lineage/p-ann/impact", role="manager")
    assert of_kind(ann, "model") == {loop.MODEL}


async def test_a_link_names_the_event_that_says_so(witness: Witness) -> None:
    await witness.told()
    answer = await witness.get(f"/v1/lineage/{loop.label_id(0)}/trace", depth=1)
    by = {link["event"] for item in answer["items"] for link in item["links"]}
    events = await witness.get("/v1/history", node=loop.label_id(0))
    assert by <= {event["event"] for event in events["items"]}
    completed = [e for e in events["items"] if e["type"] == "label.completed"]
    assert completed[0]["data"]["person_id"] == "p-ann"


async def test_pages_together_are_the_answer_and_show_one_moment(witness: Witness) -> None:
    await witness.told()
    path = f"/v1/lineage/{loop.VERSION}/trace"
    whole = await witness.get(path)
    page = await witness.get(path, limit=7)
    gathered = list(page["items"])
    await witness.publisher.publish(*loop.labeled(40))  # comes between two pages
    await witness.service.settled()
    while page["next"] is not None:
        page = await witness.get(path, limit=7, cursor=page["next"])
        assert page["position"] == whole["position"]
        gathered += page["items"]
    assert gathered == whole["items"]
    assert len(gathered) == whole["nodes"] > 20


async def test_what_an_answer_leaves_out_is_reached_by_the_neighbours_of_its_nodes(
    witness: Witness,
) -> None:
    await witness.told()
    bounded = await witness.get(f"/v1/lineage/{loop.VERSION}/trace", fan=2, depth=1)
    (root,) = [item for item in bounded["items"] if item["depth"] == 0]
    assert (root["more"], bounded["complete"], bounded["nodes"]) == (True, False, 3)
    path = f"/v1/lineage/{root['node']}/neighbours"
    page = await witness.get(path, direction="back", limit=3)
    found = page["items"]
    while page["next"] is not None:
        page = await witness.get(path, direction="back", limit=3, cursor=page["next"])
        found += page["items"]
    names = [item["node"] for item in found]
    assert names == sorted(set(names))
    assert set(names) == {
        *(f"review:{loop.label_id(n)}:accepted" for n in range(loop.ASSETS)),
        "benchmark:weeds/outline|fields:trusted",
        "stage:weeds/outline",
    }
    on = await witness.get(
        f"/v1/lineage/review:{loop.label_id(0)}:accepted/neighbours", direction="on"
    )
    assert [item["id"] for item in on["items"]] == [loop.VERSION]


async def test_a_node_is_named_by_any_id_that_somebody_has_at_hand(witness: Witness) -> None:
    await witness.told()
    for called, node in (
        (loop.asset_id(1), f"asset:{loop.asset_id(1)}"),
        (loop.asset_id(1)[:16], f"asset:{loop.asset_id(1)}"),
        (loop.digest(1), f"asset:{loop.asset_id(1)}"),
        (loop.label_id(1), f"label:{loop.label_id(1)}"),
        (loop.prediction_id(1), f"prediction:{loop.prediction_id(1)}"),
        (loop.MODEL, f"model:{loop.MODEL}"),
        (loop.RUN, f"run:{loop.RUN}"),
        (loop.VERSION[:12], f"dataset-version:{loop.VERSION}"),
        ("p-ann", "person:p-ann"),
        ("weeds%2Foutline", "stage:weeds/outline"),
        (f"lease:{loop.label_id(1)}", f"lease:{loop.label_id(1)}"),
    ):
        answer = await witness.get(f"/v1/lineage/{called}/trace", depth=1)
        assert answer["items"][0]["node"] == node, called


async def test_an_unknown_name_is_told_what_is_understood_and_an_unclear_one_what_it_may_be(
    witness: Witness,
) -> None:
    await witness.told()
    status, problem = await witness.refused("/v1/lineage/nothing/trace")
    assert (status, problem["code"]) == (404, "unknown-node")
    for word in ("assets", "labels", "predictions", "model versions", "persons"):
        assert word in problem["detail"]
    same = loop.example("project.configured").model_dump()
    same |= {"project_id": "fields", "document": {**same["document"], "project": "fields"}}
    await witness.publisher.publish(loop.example("project.configured", **same))
    await witness.service.settled()
    status, problem = await witness.refused("/v1/lineage/fields/impact")
    assert (status, problem["code"]) == (409, "ambiguous-node")
    assert problem["candidates"] == ["dataset:fields", "project:fields"]
    assert "dataset:fields" in problem["detail"]
    status, problem = await witness.refused("/v1/history", node="nothing")
    assert (status, problem["code"]) == (404, "unknown-node")
    status, problem = await witness.refused(f"/v1/lineage/{loop.RUN}/trace", cursor="rubbish")
    assert (status, problem["code"]) == (422, "invalid-cursor")


async def test_the_history_is_read_by_node_type_key_and_time(witness: Witness) -> None:
    envelopes = await witness.told()
    everything = (await witness.get("/v1/history", limit=1000))["items"]
    positions = [e["position"] for e in everything]
    assert positions == sorted(set(positions))
    assert len(positions) == len(envelopes)
    published = {(e.key, e.sequence, e.type, e.id) for e in envelopes}
    assert {(e["key"], e["sequence"], e["type"], e["id"]) for e in everything} == published
    two = ["label.completed", "label.accepted"]
    kinds = (await witness.get("/v1/history", type=two))["items"]
    assert {e["type"] for e in kinds} == set(two)
    one = (await witness.get("/v1/history", key=loop.asset_id(2)))["items"]
    assert len(one) == 6
    assert {e["service"] for e in one} == {"ingest", "labeling", "prediction", "review"}
    middle = everything[10]["time"]
    late = (await witness.get("/v1/history", since=middle, limit=1000))["items"]
    early = (await witness.get("/v1/history", until=middle, limit=1000))["items"]
    assert len(late) + len(early) == len(everything)
    assert all(e["time"] >= middle for e in late)
    page = await witness.get("/v1/history", limit=9)
    again = await witness.get("/v1/history", limit=1000, cursor=page["next"])
    assert [e["position"] for e in (*page["items"], *again["items"])] == [
        e["position"] for e in everything
    ]
