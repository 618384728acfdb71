"""For the operator: what is behind, and events and jobs that were given up."""

from collections.abc import Iterator
from datetime import datetime

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import Backlog, Job, Operation, Replay, TroubledEvent
from wakeline_sdk.paths import path


class Operations:
    """Backlogs, jobs, and dead, waiting and parked events of each service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def services(self) -> dict[str, str]:
        """Name of each service -> its URL."""
        return dict(self._transport.services())

    def backlog(self, service: str) -> Backlog:
        """How much waits in a service."""
        where = path("/v1/operations/{}/backlog", service)
        return Backlog.model_validate(self._transport.json(service, "GET", where))

    def events(self, service: str, kind: str = "dead") -> Iterator[TroubledEvent]:
        """The dead, waiting or parked events of a service, without their data."""
        where = path("/v1/operations/{}/events/{}", service, kind)
        for item in self._transport.pages(service, where):
            yield TroubledEvent.model_validate(item)

    def event(self, service: str, kind: str, event_id: str) -> TroubledEvent:
        """One of them, with its data and its cause."""
        where = path("/v1/operations/{}/event/{}", service, kind)
        return TroubledEvent.model_validate(
            self._transport.json(service, "GET", where, params={"id": event_id})
        )

    def retry(self, service: str, event_id: str, reason: str | None = None) -> None:
        """Try a dead event again; those behind it follow in sequence."""
        where = path("/v1/operations/{}/dead/retry", service)
        self._decide(service, where, event_id, reason)

    def discard(self, service: str, event_id: str, reason: str | None = None) -> None:
        """Let a dead event go for good; those behind it follow in sequence."""
        where = path("/v1/operations/{}/dead/discard", service)
        self._decide(service, where, event_id, reason)

    def skip(self, service: str, event_id: str, reason: str | None = None) -> None:
        """Give up the lost events that a parked one waits for; it follows now."""
        where = path("/v1/operations/{}/parked/skip", service)
        self._decide(service, where, event_id, reason)

    def jobs(self, service: str, state: str = "failed") -> Iterator[Job]:
        """The jobs of a service that are ``queued``, ``running`` or ``failed``: given up."""
        where = path("/v1/operations/{}/jobs", service)
        for item in self._transport.pages(service, where, {"state": state}):
            yield Job.model_validate(item)

    def job(self, service: str, job_id: str) -> Job:
        """One of them, with what it is to work on."""
        where = path("/v1/operations/{}/job", service)
        return Job.model_validate(
            self._transport.json(service, "GET", where, params={"id": job_id})
        )

    def retry_job(self, service: str, job_id: str, reason: str | None = None) -> None:
        """Run a job that was given up again, with all of its attempts."""
        where = path("/v1/operations/{}/jobs/retry", service)
        self._decide(service, where, job_id, reason)

    def discard_job(self, service: str, job_id: str, reason: str | None = None) -> None:
        """Forget a job that was given up; what asks for it again gets it."""
        where = path("/v1/operations/{}/jobs/discard", service)
        self._decide(service, where, job_id, reason)

    def log(self, service: str) -> Iterator[Operation]:
        """What operators decided in a service, newest first, without what it was about."""
        where = path("/v1/operations/{}/log", service)
        for item in self._transport.pages(service, where):
            yield Operation.model_validate(item)

    def operation(self, service: str, operation_id: str) -> Operation:
        """One of them, with all of the event or the job as it was."""
        where = path("/v1/operations/{}/log/{}", service, operation_id)
        return Operation.model_validate(self._transport.json(service, "GET", where))

    def _decide(self, service: str, where: str, subject: str, reason: str | None) -> None:
        params = {"id": subject} | ({"reason": reason} if reason else {})
        self._transport.json(service, "POST", where, params=params)

    def replay(self, service: str, topic: str, start: datetime | int | str = "beginning") -> str:
        """Let a service read a topic again, and return the replay's id; what it knows is skipped.

        Parameters
        ----------
        topic
            Its whole name, or its producer's.
        start
            ``beginning``, an offset of every partition, or a time with its zone.
        """
        where = path("/v1/operations/{}/replays", service)
        given = start.isoformat() if isinstance(start, datetime) else start
        body = {"topic": topic, "from": given}
        answer = self._transport.json(service, "POST", where, json=body)
        return str(answer["id"])

    def republish(self, service: str, event_type: str, key: str | None = None) -> int:
        """Let a service say its state again, for a consumer that Kafka no longer tells of it.

        Parameters
        ----------
        event_type
            ``asset.ingested``, ``asset.withdrawn``, ``project.configured``, ``team.configured``,
            ``benchmark.set``, ``label.accepted`` or ``model.published``.
        key
            Only this key's: an asset, ``project:<id>``, ``team:<id>`` or a stage.

        Returns
        -------
        int
            How many events are on their way.
        """
        where = path("/v1/operations/{}/republish", service)
        said, after = 0, ""
        while True:
            body = {"type": event_type, "key": key, "after": after}
            answer = self._transport.json(service, "POST", where, json=body)
            said += int(answer["published"])
            if answer["next"] is None:
                return said
            after = answer["next"]

    def replays(self, service: str) -> Iterator[Replay]:
        """The replays of a service, newest first."""
        where = path("/v1/operations/{}/replays", service)
        for item in self._transport.pages(service, where):
            yield Replay.model_validate(item)
