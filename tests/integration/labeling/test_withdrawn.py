"""Images that are not to be had wait, with all that people made of them, until they are back."""

from typing import Any

import pytest

from wakeline_events.ingest import AssetRestored, AssetWithdrawn
from wakeline_labeling.usecases import opening, withdrawing

from .conftest import Lab, asset, box
from .test_reviewing import rejected

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


async def tell(lab: Lab, kind: type[AssetWithdrawn] | type[AssetRestored], *numbers: int) -> None:
    await lab.publisher.publish(*(kind(asset_id=asset(n).asset_id) for n in numbers))
    await lab.service.settled()


async def waiting(lab: Lab) -> list[str]:
    """The assets of the tasks that wait for their images, as managers are told."""
    tasks = (await lab.manager.get("/v1/projects/field/tasks")).json()["items"]
    return [task["asset_id"] for task in tasks if task["withdrawn"]]


async def states(lab: Lab) -> dict[str, int]:
    told = (await lab.manager.get("/v1/projects/field/stages/weeds/status")).json()
    return {state: number for state, number in told["slots"].items() if number}


async def test_nobody_gets_an_image_that_is_gone_until_it_is_back(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(2))
    await lab.no_waiting()
    await tell(lab, AssetWithdrawn, 0)
    assert await waiting(lab) == [asset(0).asset_id]
    assert await states(lab) == {"queued": 1, "withdrawn": 1}
    leases = await lab.lease("ann", count=5)
    assert [lease["asset"]["asset_id"] for lease in leases] == [asset(1).asset_id]
    await tell(lab, AssetWithdrawn, 0)  # superseded after all: told again, withdrawn once
    await tell(lab, AssetRestored, 0)
    assert await waiting(lab) == []
    (lease,) = await lab.lease("bob", count=5)
    assert lease["asset"]["asset_id"] == asset(0).asset_id


async def test_who_has_the_image_on_the_screen_may_finish(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([0])
    await lab.no_waiting()
    (lease,) = await lab.lease("ann")
    await tell(lab, AssetWithdrawn, 0)
    answer = await lab.submit("ann", lease, box("a"))
    assert answer.status_code == 201, answer.text
    await lab.publisher.publish(rejected(lease))
    await lab.service.settled()
    assert await lab.lease("ann") == []  # sent back, and waits for the image
    await tell(lab, AssetRestored, 0)
    (again,) = await lab.lease("ann")
    assert again["round"] == 2


async def test_a_lease_that_is_handed_back_waits_for_the_image(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([0])
    await lab.no_waiting()
    (lease,) = await lab.lease("ann")
    await tell(lab, AssetWithdrawn, 0)
    back = await lab.person("ann").post(f"/v1/leases/{lease['lease_id']}/return", json={})
    assert back.status_code < 300, back.text
    assert await lab.lease("bob") == []
    await tell(lab, AssetRestored, 0)
    assert len(await lab.lease("bob")) == 1


async def test_what_is_opened_of_an_image_that_is_gone_waits_too(lab: Lab) -> None:
    await lab.ingest([0])
    await tell(lab, AssetWithdrawn, 0)
    await lab.configure()
    await lab.service.settled()
    await lab.no_waiting()
    assert await waiting(lab) == [asset(0).asset_id]
    assert await lab.lease("ann") == []
    truth = {"asset_id": asset(0).asset_id, "annotations": [box("t")]}
    put = await lab.manager.post(
        "/v1/projects/field/stages/weeds/benchmarks", json={"items": [truth]}
    )
    assert put.status_code < 300, put.text
    slots = lab.service.database["slots"]
    assert await slots.distinct("queue") == ["withdrawn:field/weeds#benchmark"]
    await tell(lab, AssetRestored, 0)
    assert await slots.distinct("queue") == ["field/weeds#benchmark"]


async def test_an_image_that_goes_while_its_task_is_opened_is_not_overlooked(lab: Lab) -> None:
    """Whichever of the two transactions is first, the other one runs again and sees it."""
    await lab.ingest([0])
    await lab.configure()
    await lab.service.settled()
    await lab.service.database["tasks"].delete_many({})
    await lab.service.database["slots"].delete_many({})
    stores, tries = lab.service.stores, 0

    async def opens(session: Any) -> None:
        nonlocal tries
        tries += 1
        uow: Any = stores.open(session)
        await uow.assets.page("crops", "", 10)  # its snapshot is from before
        if tries == 1:
            await stores.transactions.run(withdraws)
        await opening.open_dataset(uow, "field", "crops", "")
        await uow.write()

    async def withdraws(session: Any) -> None:
        uow: Any = stores.open(session)
        await withdrawing.withdraw(uow, asset(0).asset_id)
        await uow.write()

    await stores.transactions.run(opens)
    assert tries == 2
    assert await waiting(lab) == [asset(0).asset_id]
