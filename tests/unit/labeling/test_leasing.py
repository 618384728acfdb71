"""How a pick becomes a lease: races that are lost, repeated requests, benchmarks among the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, cast

import pytest
from tests.unit.labeling.cases import asset, stage, terms

from wakeline_labeling.domain import opening
from wakeline_labeling.domain.errors import NotAMemberError, NoTaskAvailableError
from wakeline_labeling.domain.queues import Claim, Labeler, Queue, Waiting
from wakeline_labeling.domain.records import Slot, Stage
from wakeline_labeling.domain.selection import SMALL_QUEUE, Candidate, Coins, Stratum
from wakeline_labeling.ports import Desk, RequestRepeatedError, SeenBeforeError, UnitOfWork
from wakeline_labeling.resources import LocalDesk
from wakeline_labeling.usecases import leasing

ANN = Labeler("ann", "botanists", expert=False)
PLAIN = opening.open_task(stage(), asset(1), terms()).slots[0]


@dataclass
class FakeQueue:
    """A queue whose claims end as a test says."""

    waiting: dict[str, int]
    """Queue -> how many slots wait in it."""
    outcomes: Iterator[Exception | None] = field(default_factory=lambda: cycle([None]))
    """What each claim raises; a LookupError stands for a slot that somebody else got."""
    claims: list[Claim] = field(default_factory=list)
    before: Slot | None = None
    kept: dict[str, str] = field(default_factory=dict)
    """Slots at the front that are kept for somebody."""
    had: set[str] = field(default_factory=set)
    """Tasks of the benchmarks that the person has had."""

    async def queued(self, queue: str, limit: int = 0) -> int:
        return self.waiting.get(queue, 0)

    async def candidates(
        self, queue: Queue, limit: int, within: Stratum | None = None
    ) -> list[Candidate]:
        found = [Candidate(f"s{n}", 0, True) for n in range(self.waiting.get(queue.name, 0))]
        return found[:7] if within else found[:limit]

    async def front(self, queue: str, limit: int) -> list[Waiting]:
        names = [f"s{n}" for n in range(min(limit, self.waiting.get(queue, 0)))]
        return [Waiting(s, frozenset(), self.kept.get(s), for_experts=False) for s in names]

    async def claim_first(self, claim: Claim) -> Slot | None:
        assert claim.slot_id is None
        return await self.claim(claim)

    async def claim(self, claim: Claim) -> Slot | None:
        self.claims.append(claim)
        outcome = next(self.outcomes)
        if isinstance(outcome, LookupError):
            return None
        if outcome is not None:
            raise outcome
        return PLAIN

    async def requested(self, request: str) -> Slot | None:
        return self.before

    async def waiting_for(self, claim: Claim) -> Slot | None:
        return PLAIN

    async def claim_own(self, claim: Claim, own: Slot) -> Slot:
        found = await self.claim(claim)
        assert found is not None
        return found

    async def had_of(self, own_queue: str, person_id: str) -> set[str]:
        return self.had


@dataclass
class FakeUnitOfWork:
    queue: FakeQueue


@dataclass
class FakeDesk:
    """Chance that is no chance, and no memory."""

    lane: float = 0.99
    benchmark: float = 0.99

    def coins(self) -> Coins:
        return Coins(self.lane, 0.0, 0.0)

    def coin(self) -> float:
        return self.benchmark

    async def length_of(self, queue: str, count: Callable[[], Awaitable[int]]) -> int:
        return await count()

    async def front_of(
        self, queue: str, read: Callable[[], Awaitable[list[Waiting]]]
    ) -> list[Waiting]:
        return await read()

    standing = front_of

    def new_id(self) -> str:
        return "new"

    def leased(self, slot: Slot) -> None: ...


async def lease(
    queue: FakeQueue, desk: FakeDesk | None = None, key: str | None = None, **policy: Any
) -> list[Slot]:
    uow = cast(UnitOfWork, FakeUnitOfWork(queue))
    at: Stage = stage(**policy)
    chance = cast(Desk, desk or FakeDesk())
    return await leasing.lease_next(uow, chance, queue.claim, at, ANN, 1, key)


async def test_whoever_loses_the_first_slot_tries_among_more_and_more_of_the_next() -> None:
    queue = FakeQueue({"field/weeds": 100}, iter([LookupError(), LookupError(), None]))
    await lease(queue, uniform_share=0.0)
    assert [claim.probability for claim in queue.claims] == [1.0, 1 / 2, 1 / 4]


async def test_a_task_that_the_person_saw_in_another_slot_is_passed_by() -> None:
    queue = FakeQueue({"field/weeds": 3}, iter([SeenBeforeError(), None]))
    assert await lease(queue) == [PLAIN]
    assert len(queue.claims) == 2


async def test_a_repeated_request_gets_what_it_got_even_from_an_empty_queue() -> None:
    again = FakeQueue({"field/weeds": 3}, iter([RequestRepeatedError()]), before=PLAIN)
    assert await lease(again, key="k") == [PLAIN]
    empty = FakeQueue({}, before=PLAIN)
    assert await lease(empty, key="k") == [PLAIN]
    assert empty.claims == []


async def test_an_empty_queue_says_so() -> None:
    with pytest.raises(NoTaskAvailableError, match="nothing waits"):
        await lease(FakeQueue({}))


async def test_of_a_long_queue_the_first_slot_that_is_for_the_person_is_taken() -> None:
    queue = FakeQueue({"field/weeds": 10 * SMALL_QUEUE}, kept={"s0": "bob", "s1": "ann"})
    await lease(queue, uniform_share=0.1)
    (claim,) = queue.claims
    assert claim.slot_id == "s1"
    assert claim.probability == pytest.approx(0.9 + 0.1 / (10 * SMALL_QUEUE))


async def test_where_the_front_of_a_long_queue_is_for_others_the_store_looks_further() -> None:
    others = {f"s{n}": "bob" for n in range(leasing.FRONT)}
    queue = FakeQueue({"field/weeds": 10 * SMALL_QUEUE}, kept=others)
    await lease(queue)
    assert [claim.slot_id for claim in queue.claims] == [None]


async def test_the_front_of_a_queue_is_read_by_one_for_all_and_each_slot_given_out_once() -> None:
    reads = 0

    async def read() -> list[Waiting]:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return [Waiting(f"s{reads}.{n}", frozenset(), None, for_experts=False) for n in range(3)]

    async def take(desk: LocalDesk) -> str:
        return (await desk.front_of("q", read)).pop(0).slot_id

    desk = LocalDesk()
    taken = await asyncio.gather(*(take(desk) for _ in range(7)))
    assert len(set(taken)) == 7
    assert reads == 3


async def test_a_queue_is_counted_by_one_for_all() -> None:
    counts = 0

    async def count() -> int:
        nonlocal counts
        counts += 1
        await asyncio.sleep(0)
        return 7

    desk = LocalDesk()
    assert await asyncio.gather(*(desk.length_of("q", count) for _ in range(16))) == [7] * 16
    assert counts == 1


@pytest.mark.parametrize(
    ("waiting", "people"),
    [
        (Waiting("s", frozenset(), None, for_experts=False), {"ann", "bob", "eve"}),
        (Waiting("s", frozenset({"ann"}), None, for_experts=False), {"bob", "eve"}),
        (Waiting("s", frozenset(), "ann", for_experts=False), {"ann"}),
        (Waiting("s", frozenset(), "ann", for_experts=True), {"ann", "eve"}),
        (Waiting("s", frozenset({"eve"}), None, for_experts=True), set()),
    ],
)
def test_whom_a_slot_at_the_front_is_for(waiting: Waiting, people: set[str]) -> None:
    everybody = [ANN, ANN._replace(person_id="bob"), Labeler("eve", None, expert=True)]
    assert {each.person_id for each in everybody if waiting.is_for(each)} == people


async def test_a_uniform_pick_from_a_long_queue_knows_its_stratum() -> None:
    queue = FakeQueue({"field/weeds": 16 * SMALL_QUEUE})
    await lease(queue, FakeDesk(lane=0.0), uniform_share=0.1)
    (claim,) = queue.claims
    assert claim.slot_id == "s0"
    assert claim.probability == pytest.approx(0.1 / 32 / 7)  # 32 strata, seven slots in this one


async def test_benchmarks_are_served_by_their_share_and_weigh_on_the_others() -> None:
    both = {"field/weeds": 10, "field/weeds#benchmark": 4}
    chosen = FakeQueue(both)
    await lease(chosen, FakeDesk(benchmark=0.1), benchmark_share=0.2)
    assert chosen.claims[0].queue.name == "field/weeds#benchmark"
    assert chosen.claims[0].probability == pytest.approx(0.2 / 4)
    passed = FakeQueue(both)
    await lease(passed, FakeDesk(benchmark=0.3), benchmark_share=0.2, uniform_share=0.0)
    assert passed.claims[0].probability == pytest.approx(0.8)
    had = FakeQueue(both, had={"s0", "s1", "s2", "s3"})
    await lease(had, FakeDesk(benchmark=0.1), benchmark_share=0.2, uniform_share=0.0)
    assert (had.claims[0].queue.name, had.claims[0].probability) == ("field/weeds", 1.0)


async def test_a_benchmark_that_is_nothing_for_a_person_after_all_is_not_drawn_again() -> None:
    both = {"field/weeds": 10, "field/weeds#benchmark": 2}
    queue = FakeQueue(both, iter([SeenBeforeError(), SeenBeforeError(), None]))
    await lease(queue, FakeDesk(benchmark=0.1), benchmark_share=0.2, uniform_share=0.0)
    assert [claim.slot_id for claim in queue.claims[:2]] == ["s0", "s1"]
    assert queue.claims[2].queue.name == "field/weeds"


async def test_benchmarks_alone_are_no_work() -> None:
    with pytest.raises(NoTaskAvailableError):
        await lease(FakeQueue({"field/weeds#benchmark": 4}), FakeDesk(benchmark=0.0))


async def role(team: str | None, *, labels: bool, expert: bool, **policy: Any) -> Labeler:
    uow = cast(UnitOfWork, object())
    return await leasing.labeler_of(
        uow, stage(**policy), person_id="ann", team_id=team, labels=labels, expert=expert
    )


async def test_a_reviewer_who_does_not_label_gets_only_what_needs_an_expert() -> None:
    plain = await role("botanists", labels=True, expert=False)
    assert not plain.only_expert
    both = await role("botanists", labels=True, expert=True)
    assert (both.expert, both.only_expert) == (True, False)
    review = {"review": {"team": "experts"}}
    assert (await role("experts", labels=False, expert=True, **review)).only_expert
    assert (await role("botanists", labels=False, expert=True)).only_expert


@pytest.mark.parametrize(("team", "expert"), [("experts", False), ("others", True)])
async def test_who_is_in_no_team_of_the_stage_gets_nothing(team: str, expert: bool) -> None:
    with pytest.raises(NotAMemberError):
        await role(team, labels=True, expert=expert, review={"team": "experts"})
