"""Routes of exams: how they went, and new attempts."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_labeling.api.admission import stage_for
from wakeline_labeling.api.dependencies import LabelingCommand, LabelingReader, Manager, Worker
from wakeline_labeling.domain.errors import NoSuchExamError, NoSuchProjectError, NoSuchStageError
from wakeline_labeling.domain.exams import Exam
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import examining
from wakeline_labeling.usecases.finding import stage_of

router: APIRouter = Router(prefix="/v1/projects/{project_id}/stages/{stage}", tags=["exams"])


class SittingOut(BaseModel):
    """One attempt. It does not say which tasks they were."""

    tasks: int
    """Handed in and graded so far."""
    mean_score: float | None
    passed: bool | None
    """None while it lasts."""
    ended_at: datetime | None


class ExamOut(BaseModel):
    """How a person's exam at a stage stands."""

    stage_id: str
    person_id: str
    state: Literal["open", "passed", "failed", "suspended"]
    attempts: list[SittingOut]
    being_graded: int
    mean_since: float | None
    """Mean of the last benchmark scores since it was passed."""

    @classmethod
    def of(cls, exam: Exam) -> "ExamOut":
        """As it is told."""
        sittings = [
            SittingOut(
                tasks=len(sitting.scores),
                mean_score=sitting.mean,
                passed=sitting.passed,
                ended_at=sitting.ended_at,
            )
            for sitting in exam.sittings
        ]
        return cls(
            stage_id=exam.stage_id,
            person_id=exam.person_id,
            state=exam.state,
            attempts=sittings,
            being_graded=len(exam.submitted),
            mean_since=sum(exam.rolling) / len(exam.rolling) if exam.rolling else None,
        )


@router.get("/exam", responses=problems(NoSuchProjectError, NoSuchStageError))
async def read_own_exam(
    project_id: str, stage: str, worker: Worker, uow: LabelingReader
) -> ExamOut:
    """The caller's own exam; an open one without tasks, if it was never taken."""
    found = await stage_for(uow, worker, project_id, stage)
    return ExamOut.of(await examining.exam_of(uow, found.id, worker.person_id))


@router.get("/exams", responses=problems(NoSuchProjectError, NoSuchStageError))
async def list_exams(
    project_id: str,
    stage: str,
    manager: Manager,
    uow: LabelingReader,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ExamOut]:
    """A page of the exams that were taken, by person."""
    found = await stage_of(uow, project_id, stage)
    after = decode_cursor(cursor, str)[0] if cursor else ""
    exams = await uow.exams.page(found.id, after, limit)
    following = encode_cursor(exams[-1].person_id) if len(exams) == limit else None
    return Page(items=[ExamOut.of(exam) for exam in exams], next=following)


@router.post(
    "/exams/{person_id}/attempts",
    responses=problems(NoSuchProjectError, NoSuchStageError, NoSuchExamError),
)
async def give_new_attempts(
    project_id: str, stage: str, person_id: str, manager: Manager, command: LabelingCommand
) -> ExamOut:
    """Let somebody who failed, or was suspended, take the exam again."""

    async def give(uow: LabelingUnitOfWork) -> ExamOut:
        found = await stage_of(uow, project_id, stage)
        return ExamOut.of(await examining.give_new_attempts(uow, found, person_id))

    return await command.run(give, ExamOut)
