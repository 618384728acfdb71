"""Runs trainers as Kubernetes Jobs, one an attempt, which go on without their runner.

The API server is asked every few seconds instead of watched: a runner follows one Job at a time,
and an answer that is always whole needs no care for a stream that broke.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from wakeline_training.launching.cluster import (
    Cluster,
    ClusterAwayError,
    ClusterRefusesError,
    Object,
)
from wakeline_training.launching.manifest import (
    CONTAINER,
    LAUNCH,
    is_later,
    job_manifest,
    job_name,
    owner_reference,
    selector,
    stage_label,
)
from wakeline_training.launching.process import LOG_BYTES
from wakeline_training.launching.rights import rights_of
from wakeline_training.launching.standing import (
    Ended,
    Running,
    Standing,
    Waiting,
    is_over,
    refusal,
    standing_of,
    time_of,
)
from wakeline_training.ports import Order, Outcome, Watch
from wakeline_training.settings import JobLaunch, TrainerSettings

log = structlog.get_logger()

LOG_EVERY = 5.0
"""Seconds between looks at a growing log."""
LOG_LINES = 5_000
ENDING = 60.0
"""Seconds beyond its grace that a deleted Job is waited for: the node may be out of reach for ever,
and what still runs there writes where nobody looks any more."""
BEING_MADE = Waiting("its pod is being made")


class JobLauncher:
    """Trainers as Jobs in one namespace."""

    outlives_runner = True

    def __init__(self, settings: TrainerSettings, launch: JobLaunch) -> None:
        self._settings = settings
        self._launch = launch
        self._cluster = Cluster(launch)

    async def train(self, order: Order, watch: Watch) -> Outcome:
        """Make the Job of an attempt, or find it, and follow it to its end.

        An API server that is away is waited for, the Job goes on meanwhile. So it does when this
        call is broken off.
        """
        attempt = _Attempt(order, self._settings, self._launch, self._cluster)
        trouble = ""
        while True:
            waiting_for = None
            try:
                standing = await attempt.look()
            except (ClusterAwayError, ClusterRefusesError) as error:
                if str(error) != trouble:
                    log.warning("waiting for the Kubernetes API", cause=str(error))
                trouble = str(error)
                waiting_for = f"the Kubernetes API: {trouble}"
            else:
                trouble = ""
                if isinstance(standing, Ended):
                    return await attempt.outcome(standing)
                if isinstance(standing, Waiting):
                    waiting_for = standing.why
            await watch(attempt.log, waiting_for)
            await asyncio.sleep(self._settings.beat.total_seconds())

    async def lacking(self) -> list[str]:
        """Say of each right on the API that is missing what is to be done about it."""
        return await self._cluster.lacking(rights_of(self._launch))

    async def end(self, run_id: str, attempt: int | None = None) -> None:
        """Delete what still runs of a run, or of one attempt, and wait until it is gone."""
        began = time.monotonic()
        one = {} if attempt is None else {"attempt": str(attempt)}
        while True:
            try:
                jobs = await self._cluster.jobs(selector(self._launch, run=run_id, **one))
                left = [job for job in jobs if not is_over(job)]
                for job in left:
                    await _delete(self._cluster, job)
                if not left:
                    return
                trouble: Exception | None = None
            except ClusterAwayError as error:
                began, trouble = time.monotonic(), error
            except ClusterRefusesError as error:
                trouble = error
            log.info("a run's trainer is ending", run=run_id, trouble=trouble and str(trouble))
            if time.monotonic() - began > self._settings.grace.total_seconds() + ENDING:
                log.warning("a trainer does not end", run=run_id)
                return
            await asyncio.sleep(self._settings.beat.total_seconds())


@dataclass
class _Attempt:
    """One attempt as it was seen last."""

    order: Order
    settings: TrainerSettings
    launch: JobLaunch
    cluster: Cluster
    log: bytes = b""
    _made: bool = False
    _seen: bool = False
    _pod: Object | None = None
    _token: str = field(default_factory=lambda: uuid4().hex)
    _began: float = field(default_factory=time.monotonic)
    _logged_at: float = 0.0

    def __post_init__(self) -> None:
        self._made = self.order.taken_over

    async def look(self) -> Standing:
        """See how the attempt stands, and see to it that nothing earlier of its stage runs.

        A runner that was taken for dead may wake up and make the Job of an attempt that is over:
        so all Jobs of the stage are looked at, each time. Where there is a later one, this is that
        runner: it touches nothing more.
        """
        stage = selector(self.launch, stage=stage_label(self.order.stage_id))
        jobs = await self.cluster.jobs(stage)
        name = job_name(self.launch, self.order)
        own = next((job for job in jobs if job["metadata"]["name"] == name), None)
        others = [job for job in jobs if job is not own and not is_over(job)]
        if any(is_later(other, self.order) for other in others):
            return Waiting("a later attempt is at work")
        for other in others:
            await _delete(self.cluster, other)
        if not self._made:
            return await self._make(own, others)
        if own is None:
            # One that was taken over and never seen may never have been made.
            return Ended(None, "its Job was deleted", excused=not self._seen)
        self._seen = True
        return await self._standing(own)

    async def outcome(self, ended: Ended) -> Outcome:
        """The end, with what is left of the log."""
        await self._read_log(every=0)
        words = ended.last_words
        if not words and ended.exit_code != 0:
            lines = self.log.decode(errors="replace").split("\n")
            words = next((line.strip() for line in reversed(lines) if line.strip()), "")[:2_000]
        return Outcome(ended.exit_code, self.log, words, ended.cause, ended.excused, ended.hopeless)

    async def _make(self, own: Object | None, others: list[Object]) -> Standing:
        waited = time.monotonic() - self._began
        if own is not None:
            if own["metadata"].get("annotations", {}).get(LAUNCH) == self._token:
                self._made = True  # made after all, by a call whose answer got lost
                return BEING_MADE
            await _delete(self.cluster, own)
            return Waiting("an older Job of its name is being deleted")
        if others and waited < self.settings.grace.total_seconds() + ENDING:
            return Waiting(f"an earlier Job is ending: {others[0]['metadata']['name']}")
        try:
            owner = None
            if self.launch.owner is not None:
                owner = owner_reference(await self.cluster.deployment(self.launch.owner))
            await self.cluster.create_job(
                job_manifest(self.order, self.settings, self.launch, self._token, owner)
            )
        except ClusterRefusesError as error:
            if error.status == 409:
                return BEING_MADE  # there since this look began: the next one tells whose it is
            why = refusal("Job", str(error))
            if error.may_pass and waited < self.launch.patience.total_seconds():
                return Waiting(why)
            return Ended(None, why, hopeless=True)
        self._made = True
        log.info("Job made", job=job_name(self.launch, self.order), attempt=self.order.attempt)
        return BEING_MADE

    async def _standing(self, own: Object) -> Standing:
        now = datetime.now(UTC)
        pods = await self.cluster.pods(own["metadata"]["name"])
        if pods:
            self._pod = pods[-1]
        gone = not pods and self._pod is not None
        standing = standing_of(own, self._pod, (), now, pod_is_gone=gone)
        if isinstance(standing, Running):
            await self._read_log(every=LOG_EVERY)
        if isinstance(standing, Ended) and standing.excused and _is_deleted(own):
            return replace(standing, cause="its Job was deleted", excused=False)
        if not isinstance(standing, Waiting):
            return standing
        about = pods[-1] if pods else own
        warnings = await self.cluster.warnings(about["metadata"]["name"])
        standing = standing_of(own, self._pod, warnings, now, pod_is_gone=gone)
        patience = self.launch.patience
        since = time_of(own["metadata"]["creationTimestamp"])
        if isinstance(standing, Waiting) and now - since > patience:
            await _delete(self.cluster, own)
            seconds = f"{patience.total_seconds():.0f} s"
            return Ended(
                None, f"it could not begin within {seconds}: {standing.why}", hopeless=True
            )
        return standing

    async def _read_log(self, every: float) -> None:
        if self._pod is None or time.monotonic() - self._logged_at < every:
            return
        self._logged_at = time.monotonic()
        said = await self.cluster.log(self._pod["metadata"]["name"], CONTAINER, LOG_LINES)
        if said:
            self.log = said[-LOG_BYTES:]


def _is_deleted(job: Object) -> bool:
    return "deletionTimestamp" in job["metadata"]


async def _delete(cluster: Cluster, job: Object) -> None:
    if not _is_deleted(job):
        log.info("deleting a Job", job=job["metadata"]["name"])
        await cluster.delete_job(job)
