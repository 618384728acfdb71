"""Storing and publishing an answer: the target, the prediction and the event in one."""

from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_prediction.domain import choice
from wakeline_prediction.domain.assignments import Assignment, Completed, Failed, Outcome
from wakeline_prediction.domain.records import Prediction
from wakeline_prediction.ports import PredictionUnitOfWork

REASON_LENGTH = 500
"""Characters of a reason that an event carries."""


def store_answer(uow: PredictionUnitOfWork, assignment: Assignment, outcome: Outcome) -> None:
    """Keep an answer with its target, and tell the other services."""
    if isinstance(outcome, Failed):
        _fail(uow, assignment, outcome)
    else:
        _complete(uow, assignment, outcome)


def _fail(uow: PredictionUnitOfWork, assignment: Assignment, failed: Failed) -> None:
    target = assignment.target
    assert target.task_id is not None  # else nobody would have asked
    uow.targets.put_answer(target.id, failed.answer(assignment))
    uow.emit(
        PredictionFailed(
            asset_id=target.asset_id,
            stage_id=target.stage_id,
            task_id=target.task_id,
            predictor=failed.predictor,
            serving_epoch=assignment.serving.epoch,
            code=failed.code,
            reason=failed.reason[:REASON_LENGTH],
        )
    )


def _complete(uow: PredictionUnitOfWork, assignment: Assignment, completed: Completed) -> None:
    target, candidate = assignment.target, completed.candidate
    assert target.task_id is not None  # else nobody would have asked
    epoch = assignment.serving.epoch
    name = choice.prediction_id(target.task_id, epoch, candidate, completed.shapes)
    prediction = Prediction(
        id=name,
        stage_id=target.stage_id,
        task_id=target.task_id,
        asset_id=target.asset_id,
        predictor=candidate.predictor,
        predictor_version=candidate.version,
        serving_epoch=epoch,
        holdout=target.holdout,
        shapes=completed.shapes,
        uncertainty=completed.uncertainty,
        at=uow.now,
    )
    uow.targets.put_answer(target.id, completed.answer(assignment, name))
    uow.predictions.put(prediction)
    uow.emit(
        PredictionCompleted(
            asset_id=target.asset_id,
            prediction_id=name,
            stage_id=target.stage_id,
            task_id=target.task_id,
            predictor=candidate.predictor,
            predictor_version=candidate.version,
            serving_epoch=epoch,
            holdout=target.holdout,
            shapes=completed.shapes,
            uncertainty=completed.uncertainty,
            model_version=candidate.model_version,
        )
    )
