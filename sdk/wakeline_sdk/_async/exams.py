"""Exams: what people must show before a stage's queue opens to them."""

from collections.abc import AsyncIterator

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import Exam
from wakeline_sdk.paths import path


class AsyncExams:
    """The exams of stages."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def mine(self, project_id: str, stage: str) -> Exam:
        """The caller's own exam at a stage."""
        where = path("/v1/projects/{}/stages/{}/exam", project_id, stage)
        return Exam.model_validate(await self._transport.json("labeling", "GET", where))

    async def list(self, project_id: str, stage: str) -> AsyncIterator[Exam]:
        """The exams that were taken at a stage."""
        where = path("/v1/projects/{}/stages/{}/exams", project_id, stage)
        async for item in self._transport.pages("labeling", where):
            yield Exam.model_validate(item)

    async def give_new_attempts(self, project_id: str, stage: str, person_id: str) -> Exam:
        """Let somebody who failed, or was suspended, take the exam again."""
        where = path("/v1/projects/{}/stages/{}/exams/{}/attempts", project_id, stage, person_id)
        return Exam.model_validate(await self._transport.json("labeling", "POST", where))
