"""Running a trainer: order, watch, check what it left, and hand it to the gate."""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar, NoReturn, TypeVar

import structlog

from wakeline_events.training import TrainingStarted
from wakeline_training.domain import artefacts
from wakeline_training.domain.manifest import manifest_key
from wakeline_training.domain.models import ModelVersion
from wakeline_training.domain.run import (
    FAILURES,
    Failure,
    Progress,
    Run,
    artefact_prefix,
    attempt_prefix,
    checkpoint_prefix,
    log_key,
    model_version_of,
    problems_of_parameters,
    trainer_parameters,
)
from wakeline_training.domain.stage import Stage
from wakeline_training.ports import Archive, Launcher, Order, Outcome, Steps, TrainingUnitOfWork
from wakeline_training.settings import TrainerSettings
from wakeline_training.usecases import asking

log = structlog.get_logger()

T = TypeVar("T")
BAD_INPUT = 2
"""The exit status of a trainer that cannot succeed however often it is tried."""
LOG_EVERY = 10.0
"""Seconds between uploads of a growing log."""


class TrainerFailedError(Exception):
    """An attempt made no model; the next one goes on from its checkpoint."""

    code: ClassVar[str] = "trainer-failed"


class RunHopelessError(Exception):
    """The run is to be given up: its trainer failed too often, or could never begin."""

    code: ClassVar[str] = "run-hopeless"


class RunEndedMeanwhileError(Exception):
    """The run was cancelled while its trainer ran."""

    code: ClassVar[str] = "run-ended"


@dataclass(frozen=True, slots=True)
class Training:
    """What one service trains with."""

    archive: Archive
    launcher: Launcher
    settings: TrainerSettings
    store_environment: Mapping[str, str]


async def train(steps: Steps, training: Training, run_id: str) -> None:
    """Make one attempt at a run.

    Every attempt writes under its own prefix and only the current one can hand over, so a trainer
    that another runner took for dead can finish in peace and changes nothing.

    Raises
    ------
    TrainerFailedError
        The attempt made no model; the next one goes on from the checkpoint.
    RunHopelessError
        There should be no next one.
    """
    began = await _begin(steps, training, run_id)
    if began is None:
        await training.launcher.end(run_id)  # of a run that was called off while nobody looked
        await steps.finish(_nothing)
        return
    run, order, classes = began
    watch = _Watch(steps, training.archive, run, taken_over=order.taken_over)
    try:
        outcome = await training.launcher.train(order, watch)
        await watch.report(None)
    except RunEndedMeanwhileError:
        await training.launcher.end(run_id)
        await steps.finish(_nothing)
        return
    if outcome.log or not order.taken_over:
        await training.archive.save_log(log_key(run.run_id, run.attempt), outcome.log)
    if outcome.exit_code == BAD_INPUT:
        failure = Failure(code="bad-input", detail=outcome.last_words)
        await steps.finish(lambda uow: _give_up(uow, run, failure))
        return
    if outcome.exit_code != 0:
        await _fail(steps, training, run, outcome)
    try:
        reported = await _check(training.archive, run, classes)
    except artefacts.BadArtefactError as error:
        await _fail(steps, training, run, replace(outcome, cause=str(error)))
    await training.archive.deliver(
        attempt_prefix(run.run_id, run.attempt),
        artefact_prefix(model_version_of(run.run_id, run.attempt)),
        artefacts.MODEL_FILES,
    )
    await steps.finish(lambda uow: _hand_over(uow, run, reported))


async def give_up(uow: TrainingUnitOfWork, run_id: str, failure: Failure) -> None:
    """End a run whose job was given up, unless it has ended."""
    run = await asking.run_of(uow, run_id)
    if run.active:
        await asking.give_up(uow, run, failure)


async def _begin(
    steps: Steps, training: Training, run_id: str
) -> tuple[Run, Order, list[str]] | None:
    """The run as its attempt begins or goes on, what is ordered, and the classes to be learned."""
    begun: tuple[Run, Order, list[str]] | None = None

    async def body(uow: TrainingUnitOfWork) -> None:
        nonlocal begun
        begun = None
        run = await asking.run_of(uow, run_id)
        if run.state != "training":
            return
        if run.failures >= FAILURES:
            raise RunHopelessError(run.setback)
        stage = await asking.stage_of(uow, run.stage_id)
        assert run.dataset_version is not None
        # The policy's have passed no door of this service.
        if problems := problems_of_parameters({**stage.training.parameters, **run.parameters}):
            raise RunHopelessError("; ".join(problems[:5]))
        parameters = trainer_parameters(
            stage.training,
            stage.ontology,
            number=run.number,
            threads=training.settings.threads,
            max_seconds=training.settings.max_seconds,
            asked=run.parameters,
        )
        base = await _base(uow, stage, run, fresh=bool(parameters.get("fresh")))
        if run.attempt_is_open and training.launcher.outlives_runner:
            order = replace(_order(run, base, training, parameters), taken_over=True)
            begun = run, order, parameters["classes"]
            return
        run = run.model_copy(
            update={
                "attempt": run.attempt + 1,
                "attempt_is_open": True,
                "base_model": base.model_version if base else None,
                "started_at": run.started_at or uow.now,
                "progress": None,
            }
        )
        uow.runs.put(run)
        uow.emit(
            TrainingStarted(
                stage_id=run.stage_id,
                run_id=run.run_id,
                attempt=run.attempt,
                dataset_version=run.dataset_version,
            )
        )
        begun = run, _order(run, base, training, parameters), parameters["classes"]

    await steps.transaction(body)
    return begun


async def _base(
    uow: TrainingUnitOfWork, stage: Stage, run: Run, *, fresh: bool
) -> ModelVersion | None:
    """What training begins with: the model that serves, or else the stage's latest.

    A group that was trained on never becomes hold-out, so nothing leaks. All attempts of a run
    begin alike.
    """
    if fresh:
        return None
    if run.attempt > 0:
        return await uow.models.get(run.base_model) if run.base_model else None
    if stage.serving:
        return await uow.models.get(stage.serving)
    latest = await uow.models.page({"stage_id": stage.stage_id}, None, 1)
    return latest[0] if latest else None


def _order(
    run: Run, base: ModelVersion | None, training: Training, parameters: dict[str, Any]
) -> Order:
    assert run.dataset_version is not None
    uri = training.archive.uri
    seconds = float(parameters["max_seconds"])
    begins_with = (
        {"WAKELINE_BASE_URI": uri(attempt_prefix(base.run_id, base.attempt))} if base else {}
    )
    return Order(
        run_id=run.run_id,
        number=run.number,
        attempt=run.attempt,
        stage_id=run.stage_id,
        environment={
            "WAKELINE_RUN_ID": run.run_id,
            "WAKELINE_ATTEMPT": str(run.attempt),
            "WAKELINE_DATASET_URI": uri(manifest_key(run.dataset_version)),
            "WAKELINE_OUTPUT_URI": uri(attempt_prefix(run.run_id, run.attempt)),
            "WAKELINE_CHECKPOINT_URI": uri(checkpoint_prefix(run.run_id)),
            **begins_with,
            "WAKELINE_PARAMETERS": json.dumps(parameters, sort_keys=True),
            **training.store_environment,
        },
        # A trainer keeps to its time; this only ends one that hangs, on a busy machine too.
        limit=timedelta(seconds=3 * seconds + 300),
    )


@dataclass
class _Watch:
    """Looks after a running trainer: its progress, its log, and whether it is still wanted."""

    steps: Steps
    archive: Archive
    run: Run
    taken_over: bool
    progress: Progress | None = None
    _logged: bytes = b""
    _logged_at: float = field(default_factory=time.monotonic)

    async def __call__(self, log_tail: bytes, waiting_for: str | None) -> None:
        if self.taken_over:
            # Only while the trainer goes on: a runner that dies of what it left must be counted.
            await self.steps.excuse()
            self.taken_over = False
        await self.report(waiting_for)
        if log_tail != self._logged and time.monotonic() - self._logged_at >= LOG_EVERY:
            await self.archive.save_log(log_key(self.run.run_id, self.run.attempt), log_tail)
            self._logged, self._logged_at = log_tail, time.monotonic()

    async def report(self, waiting_for: str | None) -> None:
        """Make the latest progress visible, and what the trainer waits for.

        Raises
        ------
        RunEndedMeanwhileError
            If the run was cancelled: its trainer is not wanted any more.
        """
        prefix = attempt_prefix(self.run.run_id, self.run.attempt)
        content = await self.archive.read(f"{prefix}{artefacts.PROGRESS}")
        latest = artefacts.latest_progress(content) if content else None
        progress = self.progress if latest is None else latest

        async def body(uow: TrainingUnitOfWork) -> None:
            run = await asking.run_of(uow, self.run.run_id)
            if run.state != "training" or run.attempt != self.run.attempt:
                raise RunEndedMeanwhileError(f"run {run.run_id} is {run.state}")
            news = {"progress": progress, "waiting_for": waiting_for}
            if any(getattr(run, name) != value for name, value in news.items()):
                uow.runs.put(run.model_copy(update=news))

        await self.steps.transaction(body)
        self.progress = progress


async def _check(archive: Archive, run: Run, classes: Collection[str]) -> dict[str, Any]:
    """Take nothing for granted that a trainer says; returns its metrics.

    Raises
    ------
    BadArtefactError
        If something is missing, changed or malformed, or the card is of another model.
    """
    prefix = attempt_prefix(run.run_id, run.attempt)
    found: dict[str, bytes] = {}
    for name in (artefacts.DONE, *artefacts.READ):
        found[name] = _left(name, await archive.read(f"{prefix}{name}"))
    model = _left(artefacts.MODEL, await archive.digest(f"{prefix}{artefacts.MODEL}"))
    digests = artefacts.digests_of(found[artefacts.DONE])
    artefacts.check_digest(artefacts.MODEL, model, digests)
    for name in artefacts.READ:
        artefacts.check_digest(name, artefacts.digest_of(found[name]), digests)
    artefacts.check_card(found[artefacts.CARD], model, classes)
    assert run.dataset_version is not None
    holdout = await archive.holdout(manifest_key(run.dataset_version))
    artefacts.read_predictions(found[artefacts.PREDICTIONS], {truth.asset_id for truth in holdout})
    return artefacts.read_metrics(found[artefacts.METRICS])


def _left(name: str, found: T | None) -> T:
    if found is None:
        raise artefacts.BadArtefactError(f"the trainer ended well but left no {name}")
    return found


async def _hand_over(uow: TrainingUnitOfWork, run: Run, reported: dict[str, Any]) -> None:
    current = await asking.run_of(uow, run.run_id)
    if current.state != "training" or current.attempt != run.attempt:
        return
    uow.runs.put(
        current.model_copy(
            update={
                "state": "gating",
                "attempt_is_open": False,
                "waiting_for": None,
                "gating_since": uow.now,
                "reported": reported,
                "model_version": model_version_of(run.run_id, run.attempt),
            }
        )
    )
    uow.enqueue("gate", run.run_id, {"run_id": run.run_id})


async def _give_up(uow: TrainingUnitOfWork, run: Run, failure: Failure) -> None:
    current = await asking.run_of(uow, run.run_id)
    if current.state == "training" and current.attempt == run.attempt:
        await asking.give_up(uow, current, failure)


async def _fail(steps: Steps, training: Training, run: Run, outcome: Outcome) -> NoReturn:
    """Close the attempt, so that nobody takes it over, and see that nothing of it goes on.

    Raises
    ------
    TrainerFailedError, RunHopelessError
    """
    why = _why(run.attempt, outcome)
    failures = 0

    async def body(uow: TrainingUnitOfWork) -> None:
        nonlocal failures
        current = await asking.run_of(uow, run.run_id)
        if current.state == "training" and current.attempt == run.attempt:
            closed = current.attempt_failed(why, excused=outcome.excused, hopeless=outcome.hopeless)
            failures = closed.failures
            uow.runs.put(closed)

    await steps.transaction(body)
    await training.launcher.end(run.run_id, run.attempt)
    if failures >= FAILURES:
        raise RunHopelessError(why)
    raise TrainerFailedError(why)


def _why(attempt: int, outcome: Outcome) -> str:
    cause = outcome.cause or f"its status was {outcome.exit_code}: {outcome.last_words}"
    return f"attempt {attempt} {'was broken off' if outcome.excused else 'failed'}: {cause}"


async def _nothing(_: TrainingUnitOfWork) -> None:
    """The run has ended: the job ends without an effect."""
