"""What a submitted label says: origins and effort are the server's, whatever the client claims."""

from typing import Any

import pytest

from wakeline_events.labeling import LabelCompleted
from wakeline_testing.running import published

from .conftest import Lab, asset, box

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


async def labels(lab: Lab) -> list[LabelCompleted]:
    await lab.service.settled()
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    return [event for event in events if isinstance(event, LabelCompleted)]


async def ordinary(lab: Lab, **stage: Any) -> int:
    """A project with six groups, one of which is not hold-out; the number of its asset."""
    (await lab.configure(**stage)).raise_for_status()
    await lab.ingest(range(6))
    row = await lab.service.database["tasks"].find_one({"holdout": False})
    return int(row["asset"]["digest"], 16)


async def lease_of(lab: Lab, name: str, number: int) -> dict[str, Any]:
    await lab.no_waiting()
    leases = await lab.lease(name, count=50)
    (found,) = [x for x in leases if x["asset"]["asset_id"] == asset(number).asset_id]
    for lease in leases:
        if lease is not found:
            path = f"/v1/leases/{lease['lease_id']}/return"
            (await lab.person(name).post(path, json={})).raise_for_status()
    return found


async def test_effort_is_counted_from_the_pinned_prelabel(lab: Lab) -> None:
    number = await ordinary(lab)
    first = await lab.predict(number, 0.5, epoch=1)
    lease = await lease_of(lab, "ann", number)
    await lab.predict(number, 0.1, epoch=2)  # comes while the lease is out

    answer = await lab.submit(
        "ann",
        lease,
        box("kept", prelabel_id="s1", origin="drawn"),
        box("new", x=50, origin="confirmed"),
    )

    assert answer.status_code == 201, answer.text
    effort = answer.json()["effort"]
    assert (effort["confirmed"], effort["edited"], effort["drawn"]) == (1, 0, 1)
    (label,) = await labels(lab)
    assert label.prelabel is not None
    assert (label.prelabel.prediction_id, label.prelabel.shown) == (first, True)
    assert label.annotations.items is not None
    assert [a.origin for a in label.annotations.items] == ["confirmed", "drawn"]


async def test_a_lower_epoch_is_ignored_and_a_higher_one_replaces_while_queued(lab: Lab) -> None:
    number = await ordinary(lab)
    await lab.predict(number, 0.5, epoch=2)
    await lab.predict(number, 0.9, epoch=1)
    lease = await lease_of(lab, "ann", number)
    assert lease["prelabel"]["predictor_version"] == "v2"
    await lab.person("ann").post(f"/v1/leases/{lease['lease_id']}/return", json={})
    await lab.predict(number, 0.1, epoch=3)
    lease = await lease_of(lab, "ann", number)
    assert lease["prelabel"]["predictor_version"] == "v3"


async def test_the_control_arm_sees_no_prelabel_and_cannot_claim_one(lab: Lab) -> None:
    number = await ordinary(lab, control_share=1.0)
    await lab.predict(number, 0.5)
    lease = await lease_of(lab, "ann", number)
    assert lease["prelabel"] is None
    assert "arm" not in lease

    lie = await lab.submit("ann", lease, box("a", prelabel_id="s1"))
    assert (lie.status_code, lie.json()["code"]) == (422, "invalid-annotations")
    assert "was not shown" in lie.json()["detail"]
    assert (await lab.submit("ann", lease, box("a"))).status_code == 201

    (label,) = await labels(lab)
    assert (label.arm, label.p_control) == ("control", 1.0)
    assert label.prelabel is not None  # pinned all the same: the analysis is by intention
    assert label.prelabel.shown is False
    assert label.effort.drawn == 1


async def test_what_the_ontology_or_the_image_forbids_is_refused_with_the_reasons(
    lab: Lab,
) -> None:
    number = await ordinary(lab)
    lease = await lease_of(lab, "ann", number)
    answer = await lab.submit(
        "ann",
        lease,
        box("a") | {"class_name": "tree"},
        box("b") | {"geometry": {"kind": "point", "at": [1, 1]}},
        box("c", x=500),
        box("d") | {"attributes": {"age": 3}},
        box("d"),
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-annotations")
    said = " ".join(answer.json()["problems"])
    for part in ("'tree'", "is a point", "outside the image", "'age'", "two annotations"):
        assert part in said
    assert await labels(lab) == []
    assert (await lab.submit("ann", lease)).status_code == 201  # an empty label is a label


async def test_a_large_label_goes_to_a_blob_and_comes_back_whole(lab: Lab) -> None:
    number = await ordinary(lab)
    lease = await lease_of(lab, "ann", number)
    many = [box(f"shape-{n:04}", x=n % 60) for n in range(700)]
    assert (await lab.submit("ann", lease, *many)).status_code == 201
    (label,) = await labels(lab)
    assert label.annotations.items is None
    assert label.annotations.blob is not None
    assert label.annotations.count == 700
    page = (await lab.manager.get("/v1/projects/field/labels")).json()
    assert [a["id"] for a in page["items"][0]["annotations"]] == [m["id"] for m in many]


async def test_labels_are_listed_in_pages_with_all_an_analysis_needs(lab: Lab) -> None:
    (await lab.configure(uniform_share=0.1)).raise_for_status()
    await lab.ingest(range(7))
    await lab.no_waiting()
    for lease in await lab.lease("ann", count=7):
        assert (await lab.submit("ann", lease, box("a"))).status_code == 201
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        wanted = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await lab.manager.get("/v1/projects/field/labels", params=wanted)).json()
        found += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert len({label["label_id"] for label in found}) == 7
    assert all(label["person_id"] == "ann" and label["state"] == "submitted" for label in found)
    # The queue shrinks by one with each pick; a head is picked with 0.9 + 0.1 / n, others 0.1 / n.
    shares = [{0.1 / n, 0.9 + 0.1 / n} for n in range(1, 8)]
    assert all(
        any(label["p_selected"] == pytest.approx(p) for share in shares for p in share)
        for label in found
    )
    denied = await lab.person("ann").get("/v1/projects/field/labels")
    assert denied.status_code == 403
