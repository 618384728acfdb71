"""The id that follows a request through everything it causes."""

import asyncio
from contextvars import copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_telemetry import correlation


def test_what_was_bound_is_current() -> None:
    assert copy_context().run(correlation.bind, "order-7") == "order-7"


def test_a_task_without_an_id_gets_one_and_keeps_it() -> None:
    first, second = copy_context().run(lambda: (correlation.current(), correlation.current()))
    assert first == second
    assert len(first) == 32


async def test_tasks_do_not_see_each_others_ids() -> None:
    async def work(name: str) -> str:
        correlation.bind(name)
        await asyncio.sleep(0)
        return correlation.current()

    names = [f"task-{n}" for n in range(10)]
    assert await asyncio.gather(*(work(name) for name in names)) == names


@pytest.mark.parametrize(
    "unacceptable", ["", "x" * 129, "two words", "line\nbreak", 'quo"te', "ärger", "\x00", "a\r\nb"]
)
def test_an_id_that_could_harm_a_log_or_a_header_is_replaced(unacceptable: str) -> None:
    bound = copy_context().run(correlation.bind, unacceptable)
    assert bound != unacceptable
    assert len(bound) == 32


@given(st.text())
def test_whatever_comes_in_what_is_bound_fits_into_a_header(given_id: str) -> None:
    bound = copy_context().run(correlation.bind, given_id)
    assert 0 < len(bound) <= 128
    assert bound.isascii()
    assert bound.isprintable()
    assert " " not in bound
