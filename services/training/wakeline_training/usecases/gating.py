"""Asking the gate: wait for what serves now, compare, and publish or not, in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from wakeline_events.base import AssetId
from wakeline_events.training import ModelTrained
from wakeline_geometry.shapes import Predicted
from wakeline_training.domain import artefacts, gate
from wakeline_training.domain.manifest import HoldoutTruth, manifest_key
from wakeline_training.domain.models import ModelVersion
from wakeline_training.domain.run import Run, artefact_prefix, attempt_prefix
from wakeline_training.domain.stage import Stage
from wakeline_training.ports import Answer, Archive, Steps, TrainingUnitOfWork
from wakeline_training.usecases import asking, serving

LOOK_EVERY = 1.0
"""Seconds between looks for predictions that are awaited."""
OWN = "own"
"""Name of the predictor that a stage's trained models answer as."""


class ServingChangedError(Exception):
    """What serves changed while the gate compared with what served before."""

    code = "serving-changed"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the gate sees at one moment."""

    run: Run
    stage: Stage
    serving: ModelVersion | None
    answers: dict[AssetId, Answer]
    """Of the serving epoch."""
    awaited: frozenset[AssetId]
    """Assets that predictors are asked about."""
    now: datetime

    def must_wait(self, holdout: Sequence[HoldoutTruth], patience: timedelta) -> bool:
        """Whether answers on the hold-out are still to come, and there is time for them."""
        since = self.run.gating_since
        missing = any(
            truth.asset_id in self.awaited and truth.asset_id not in self.answers
            for truth in holdout
        )
        return missing and since is not None and self.now < since + patience


async def judge(steps: Steps, archive: Archive, run_id: str, patience: timedelta) -> None:
    """Judge the model of a run, and publish it unless it is shown to be worse.

    Predictions of what serves now arrive by events. They are waited for until all are there or
    ``patience`` is over, counted from the end of the training: whatever happens to predictors,
    and however often this job begins again, the run ends.
    """
    holdout: list[HoldoutTruth] = []
    while True:
        situation = await _look(steps, run_id)
        if situation is None:
            await steps.finish(_nothing)
            return
        holdout = holdout or await _holdout(archive, situation.run.dataset_version)
        if situation.must_wait(holdout, patience):
            await asyncio.sleep(LOOK_EVERY)
            continue
        judgement = await _compare(archive, situation, holdout)
        try:
            await steps.finish(partial(_decide, situation=situation, judgement=judgement))
            return
        except ServingChangedError:
            continue


async def _compare(
    archive: Archive, situation: Situation, holdout: list[HoldoutTruth]
) -> gate.Judgement:
    run = situation.run
    candidate = await _predictions(archive, run.run_id, run.attempt, holdout)
    served = await _served(archive, situation, holdout)
    seed = int(run.run_id[:8], 16)
    return await asyncio.to_thread(gate.judge, holdout, candidate, served, seed=seed)


async def _look(steps: Steps, run_id: str) -> Situation | None:
    seen: Situation | None = None

    async def body(uow: TrainingUnitOfWork) -> None:
        nonlocal seen
        seen = await _situation(uow, run_id)

    await steps.transaction(body)
    return seen


async def _situation(uow: TrainingUnitOfWork, run_id: str) -> Situation | None:
    """None: the run was cancelled."""
    run = await asking.run_of(uow, run_id)
    if run.state != "gating":
        return None
    stage = await asking.stage_of(uow, run.stage_id)
    answers = await uow.predictions.of_epoch(stage.stage_id, stage.serving_epoch)
    asked = await uow.labels.presumed_holdout(stage.stage_id) if stage.policy.predictors else ()
    return Situation(
        run=run,
        stage=stage,
        serving=await uow.models.get(stage.serving) if stage.serving else None,
        answers={answer.asset_id: answer for answer in answers},
        awaited=frozenset(asked),
        now=uow.now,
    )


async def _served(
    archive: Archive, situation: Situation, holdout: list[HoldoutTruth]
) -> gate.Served | None:
    """What serves now said on the hold-out; None if nothing ever answered."""
    shapes: dict[AssetId, tuple[Predicted, ...]] = {}
    versions: Counter[str] = Counter()
    for truth in holdout:
        answer = situation.answers.get(truth.asset_id)
        if answer is None:
            continue
        shapes[truth.asset_id] = (
            () if answer.shapes is None else await archive.predicted(answer.shapes)
        )
        versions[_name(answer)] += 1
    model = situation.serving
    if model is not None and {a.predictor for a in situation.answers.values()} <= {OWN}:
        # What the serving model said at its own gate, where no event has told it again.
        then = await _holdout(archive, model.dataset_version)
        said = await _predictions(archive, model.run_id, model.attempt, then)
        for truth in holdout:
            if truth.asset_id in said and truth.asset_id not in shapes:
                shapes[truth.asset_id] = said[truth.asset_id]
                versions[model.model_version] += 1
    if not shapes:
        return None
    return gate.Served(version=versions.most_common(1)[0][0], shapes=shapes)


def _name(answer: Answer) -> str:
    """A model's version says it all; a rule's is only a number, so the rule is named with it."""
    if answer.predictor == OWN:
        return answer.predictor_version
    return f"{answer.predictor}@{answer.predictor_version}"


async def _holdout(archive: Archive, dataset_version: str | None) -> list[HoldoutTruth]:
    assert dataset_version is not None
    return await archive.holdout(manifest_key(dataset_version))


async def _predictions(
    archive: Archive, run_id: str, attempt: int, holdout: list[HoldoutTruth]
) -> dict[AssetId, tuple[Predicted, ...]]:
    name = f"{attempt_prefix(run_id, attempt)}{artefacts.PREDICTIONS}"
    content = await archive.read(name)
    if content is None:
        raise artefacts.BadArtefactError(f"{name} is gone")
    return artefacts.read_predictions(content, {truth.asset_id for truth in holdout})


async def _decide(uow: TrainingUnitOfWork, situation: Situation, judgement: gate.Judgement) -> None:
    """The model, its verdict, and what follows from it: all of it is stored, or none."""
    run = await asking.run_of(uow, situation.run.run_id)
    if run.state != "gating":
        return
    stage = await asking.stage_of(uow, run.stage_id)
    if stage.serving_epoch != situation.stage.serving_epoch:
        raise ServingChangedError(f"{stage.stage_id} is at epoch {stage.serving_epoch} now")
    assert run.dataset_version is not None
    assert run.model_version is not None
    model = ModelVersion(
        model_version=run.model_version,
        run_id=run.run_id,
        attempt=run.attempt,
        stage_id=run.stage_id,
        project_id=run.project_id,
        number=run.number,
        dataset_version=run.dataset_version,
        base_model=run.base_model,
        metrics=gate.flat_metrics(judgement.candidate, judgement.interval),
        comparator_metrics=gate.flat_metrics(judgement.comparator),
        reported=run.reported,
        gate=judgement.gate,
        artefact_key=artefact_prefix(run.model_version),
        created_at=uow.now,
    )
    uow.models.put(model)
    uow.emit(
        ModelTrained(
            stage_id=run.stage_id,
            run_id=run.run_id,
            attempt=run.attempt,
            model_version=model.model_version,
            dataset_version=model.dataset_version,
            base_model_version=model.base_model,
            metrics=model.metrics,
            gate=model.gate,
        )
    )
    if gate.may_serve(model.gate):
        serving.serve(uow, stage, model)
    uow.runs.put(run.ended("completed", uow.now))
    await asking.release(uow, run)


async def _nothing(_: TrainingUnitOfWork) -> None:
    """The run was cancelled: the job ends without an effect."""
