"""Callers that are answered together: each gets its own answer, and nobody pays for another."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, OperationFailure

from wakeline_process import Gathering
from wakeline_process.gathering import LIMIT
from wakeline_storage import TransactionTimeoutError


class RefusedError(Exception):
    """An answer that concerns one caller."""


class PoisonError(Exception):
    """One question makes the whole turn fail."""


@dataclass
class Desk:
    """Answers a number by its double; a text names what goes wrong."""

    turns: list[list[int | str]] = field(default_factory=list)
    at_once: int = 0
    """Turns of several questions that were under way at the same time, at most."""
    turns_under_way: int = 0
    gate: asyncio.Event | None = None
    """Nobody is answered before it is set."""

    async def answer(self, questions: Sequence[int | str]) -> Sequence[int | Exception]:
        self.turns.append(list(questions))
        together = len(questions) > 1
        self.turns_under_way += together
        self.at_once = max(self.at_once, self.turns_under_way)
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
            if "poison" in questions:
                raise PoisonError
            if "outage" in questions:
                raise AutoReconnect("gone")
            return [2 * q if isinstance(q, int) else RefusedError(q) for q in questions]
        finally:
            self.turns_under_way -= together


async def asked_at_once(
    desk: Desk, *questions: int | str
) -> tuple[Gathering[int | str, int], list["asyncio.Task[int]"]]:
    """Questions of as many callers, none of them answered yet."""
    gathering = Gathering(desk.answer)
    callers = [asyncio.create_task(gathering.ask(question)) for question in questions]
    await asyncio.sleep(0)
    return gathering, callers


async def test_who_asks_alone_is_answered_alone_and_the_others_together() -> None:
    desk = Desk(gate=asyncio.Event())
    gathering, first = await asked_at_once(desk, 1)
    await asyncio.sleep(0)
    others = [asyncio.create_task(gathering.ask(n)) for n in range(2, 6)]
    await asyncio.sleep(0)
    desk.gate.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*first, *others) == [2, 4, 6, 8, 10]
    assert desk.turns == [[1], [2, 3, 4, 5]]


async def test_a_refusal_is_for_its_caller_alone() -> None:
    _, callers = await asked_at_once(Desk(), 1, "no", 3)
    one, refused, three = await asyncio.gather(*callers, return_exceptions=True)
    assert (one, three) == (2, 6)
    assert isinstance(refused, RefusedError)


async def test_a_question_that_fails_everybodys_turn_fails_only_itself() -> None:
    desk = Desk()
    _, callers = await asked_at_once(desk, 1, "poison", 3)
    one, failed, three = await asyncio.gather(*callers, return_exceptions=True)
    assert (one, three) == (2, 6)
    assert isinstance(failed, PoisonError)
    assert desk.turns == [[1, "poison", 3], [1], ["poison"], [3]]


async def test_a_store_that_is_away_fails_all_at_once_and_is_not_asked_for_each() -> None:
    desk = Desk()
    _, callers = await asked_at_once(desk, 1, "outage", 3)
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in found] == [AutoReconnect] * 3
    assert len(desk.turns) == 1


async def test_who_is_asked_apart_keeps_nobody_else_waiting() -> None:
    locked = asyncio.Event()

    async def answer(questions: Sequence[str]) -> Sequence[str]:
        if questions == ["locked"]:
            await locked.wait()
        elif "locked" in questions:
            raise TransactionTimeoutError(OperationFailure("conflict"))
        return questions

    gathering = Gathering(answer)
    holds, free = (asyncio.create_task(gathering.ask(q)) for q in ("locked", "free"))
    assert await free == "free"
    assert await gathering.ask("later") == "later"
    assert not holds.done()
    locked.set()
    assert await holds == "locked"


async def test_a_caller_who_goes_before_its_turn_is_not_asked_for() -> None:
    desk = Desk(gate=asyncio.Event())
    gathering, first = await asked_at_once(desk, 1)
    await asyncio.sleep(0)
    stays, goes = (asyncio.create_task(gathering.ask(n)) for n in (2, 3))
    await asyncio.sleep(0)
    goes.cancel()
    await asyncio.sleep(0)
    desk.gate.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*first, stays) == [2, 4]
    assert desk.turns == [[1], [2]]


async def test_a_caller_who_goes_during_its_turn_takes_nothing_from_the_others() -> None:
    desk = Desk(gate=asyncio.Event())
    _, (goes, stays) = await asked_at_once(desk, 1, 2)
    await asyncio.sleep(0)
    goes.cancel()
    await asyncio.sleep(0)
    desk.gate.set()  # type: ignore[union-attr]
    assert await stays == 4
    assert goes.cancelled()
    assert desk.turns == [[1, 2]]


async def test_the_end_of_the_process_leaves_nobody_waiting() -> None:
    desk = Desk(gate=asyncio.Event())
    gathering, asked = await asked_at_once(desk, *range(LIMIT + 3))
    await asyncio.sleep(0)
    assert gathering._answering is not None
    gathering._answering.cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in found)
    assert len(desk.turns) == 1


async def test_turns_belong_to_no_callers_context() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    seen: list[str] = []

    async def answer(questions: Sequence[int]) -> Sequence[int]:
        seen.append(whose.get())
        return questions

    whose.set("the first caller's")
    await Gathering(answer).ask(1)
    assert seen == ["nobody's"]


QUESTIONS = st.one_of(st.integers(0, 99), st.sampled_from(["no", "poison"]))


@given(st.lists(st.tuples(QUESTIONS, st.integers(0, 4)), min_size=1, max_size=3 * LIMIT))
def test_everybody_gets_their_own_answer_in_turns_of_bounded_size_one_at_a_time(
    asked: list[tuple[int | str, int]],
) -> None:
    desk = Desk()

    async def caller(gathering: Gathering[int | str, int], question: int | str, late: int) -> int:
        for _ in range(late):
            await asyncio.sleep(0)
        return await gathering.ask(question)

    async def everybody() -> list[int | BaseException]:
        gathering = Gathering(desk.answer)
        callers = [caller(gathering, question, late) for question, late in asked]
        return await asyncio.gather(*callers, return_exceptions=True)

    for (question, _), found in zip(asked, asyncio.run(everybody()), strict=True):
        if isinstance(question, int):
            assert found == 2 * question
        else:
            assert isinstance(found, RefusedError if question == "no" else PoisonError)
    assert desk.at_once <= 1
    assert max(map(len, desk.turns)) <= LIMIT


@pytest.mark.parametrize("many", [LIMIT, LIMIT + 1, 3 * LIMIT])
async def test_a_crowd_is_answered_in_as_few_turns_as_the_limit_allows(many: int) -> None:
    desk = Desk()
    _, callers = await asked_at_once(desk, *range(many))
    assert await asyncio.gather(*callers) == [2 * n for n in range(many)]
    assert len(desk.turns) == -(-many // LIMIT)
    assert [q for turn in desk.turns for q in turn] == list(range(many))
