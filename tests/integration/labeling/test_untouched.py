"""What is untouched is said twice: to Python, which decides by it, and to MongoDB, which writes."""

from itertools import product
from typing import Any, get_args

import pytest

from tests.unit.labeling.cases import asset, stage, terms
from wakeline_labeling.domain import opening
from wakeline_labeling.domain.records import SlotState

from .conftest import Lab

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]
PLAIN = opening.open_task(stage(), asset(1), terms()).slots[0]
STATES = product(get_args(SlotState), [(), ("ann",)], [1, 2])


async def test_the_store_changes_what_the_rules_call_untouched_and_nothing_else(lab: Lab) -> None:
    slots = [
        PLAIN.model_copy(
            update={"id": f"t{n}.0", "task_id": f"t{n}", "state": s, "people": p, "round": r}
        )
        for n, (s, p, r) in enumerate(STATES)
    ]
    untouched = {slot.id for slot in slots if slot.untouched}
    assert 0 < len(untouched) < len(slots)
    uow: Any = lab.service.stores.open(None)
    for slot in slots:
        uow.slots.add(slot)
        uow.slots.replace_untouched(slot.model_copy(update={"priority": 7}))
    rows = lab.service.database["slots"]
    await uow.write()
    assert set(await rows.distinct("_id", {"priority": 7})) == untouched
    for slot in slots:
        uow.slots.remove_untouched(slot.id)
    await uow.write()
    assert set(await rows.distinct("_id")) == {slot.id for slot in slots} - untouched
