"""Exams: what people must show before a stage's queue opens to them."""

from collections.abc import Iterator

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import Exam
from wakeline_sdk.paths import path


class Exams:
    """The exams of stages."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def mine(self, project_id: str, stage: str) -> Exam:
        """The caller's own exam at a stage."""
        where = path("/v1/projects/{}/stages/{}/exam", project_id, stage)
        return Exam.model_validate(self._transport.json("labeling", "GET", where))

    def list(self, project_id: str, stage: str) -> Iterator[Exam]:
        """The exams that were taken at a stage."""
        where = path("/v1/projects/{}/stages/{}/exams", project_id, stage)
        for item in self._transport.pages("labeling", where):
            yield Exam.model_validate(item)

    def give_new_attempts(self, project_id: str, stage: str, person_id: str) -> Exam:
        """Let somebody who failed, or was suspended, take the exam again."""
        where = path("/v1/projects/{}/stages/{}/exams/{}/attempts", project_id, stage, person_id)
        return Exam.model_validate(self._transport.json("labeling", "POST", where))
