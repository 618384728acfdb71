"""Gathering: what is asked for while an answer is under way is answered all at once by the next.

A round trip to the database costs about the same for one as for twenty, and so does a commit.
Whoever asks alone waits for nobody. Source: group commit, DeWitt et al., Implementation Techniques
for Main Memory Database Systems, SIGMOD 1984.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from datetime import timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConnectionFailure

from wakeline_messaging import Stores

Q = TypeVar("Q")
A = TypeVar("A")
U = TypeVar("U")

LIMIT: Final = 32
"""Questions that are answered together at most."""
PATIENCE: Final = timedelta(milliseconds=500)
"""So long those that share a transaction wait for each other's documents to be free. One may be
held for longer by the transaction of a process that died in it: until MongoDB ends that, its caller
waits apart."""


class _Asked(NamedTuple, Generic[Q, A]):
    question: Q
    answer: "asyncio.Future[A]"


class Gathering(Generic[Q, A]):
    """Answers questions of many callers in as few turns as they leave time for, in their order.

    Parameters
    ----------
    answer
        Answers questions, each in its place: an exception among the answers is for that caller
        alone. If it raises, nobody knows whose question is at fault, and each is asked once more
        apart, while the next turn goes on; so an answer must be repeatable. What one question may
        cost the others (a document that somebody else has locked, say) is for ``answer`` to limit.
        Only a store out of reach fails them all at once.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]]) -> None:
        self._answer = answer
        self._asked: deque[_Asked[Q, A]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._apart: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A:
        """The answer to one question, found together with those of others."""
        asked: _Asked[Q, A] = _Asked(question, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._answering is None:
            # In a context of its own: it goes on for others after the one that was first.
            self._answering = asyncio.create_task(self._answer_all(), context=Context())
        return await asked.answer

    async def _answer_all(self) -> None:
        try:
            while turn := self._next_turn():
                await self._answer_together(turn)
        finally:
            self._answering = None
            for asked in self._asked:  # only where the process ends
                asked.answer.cancel()
            self._asked.clear()

    def _next_turn(self) -> list[_Asked[Q, A]]:
        turn: list[_Asked[Q, A]] = []
        while self._asked and len(turn) < LIMIT:
            asked = self._asked.popleft()
            if not asked.answer.done():  # else its caller has gone
                turn.append(asked)
        return turn

    async def _answer_together(self, turn: list[_Asked[Q, A]]) -> None:
        answers: Sequence[A | Exception]
        try:
            answers = await self._answer([asked.question for asked in turn])
        except Exception as error:
            if len(turn) > 1 and not _is_away(error):
                self._answer_apart(turn)
                return
            answers = [error] * len(turn)
        except BaseException:
            for asked in turn:
                asked.answer.cancel()
            raise
        for asked, answer in zip(turn, answers, strict=True):
            if asked.answer.done():
                continue
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)

    def _answer_apart(self, turn: list[_Asked[Q, A]]) -> None:
        for asked in turn:
            alone = asyncio.create_task(self._answer_together([asked]))
            self._apart.add(alone)
            alone.add_done_callback(self._apart.discard)


def gathered_writes(
    stores: Stores, write: Callable[[U, Sequence[Q]], Awaitable[Sequence[A | Exception]]]
) -> Gathering[Q, A]:
    """A gathering whose turns are a transaction each: what ``write`` does is committed for all.

    An exception among its answers must leave nothing half-written: the others are committed.
    """

    async def answer(questions: Sequence[Q]) -> Sequence[A | Exception]:
        async def transaction(session: AsyncClientSession) -> Sequence[A | Exception]:
            uow: Any = stores.open(session)
            answers = await write(uow, questions)
            await uow.write()
            return answers

        return await stores.transactions.run(transaction, PATIENCE if len(questions) > 1 else None)

    return Gathering(answer)


def _is_away(error: Exception) -> bool:
    return isinstance(error, ConnectionFailure) or isinstance(error.__cause__, ConnectionFailure)
