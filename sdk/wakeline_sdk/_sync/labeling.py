"""Labeling itself: leases, and the labels that came of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.batches import batches
from wakeline_sdk.models import LabelRecord, Lease, LeaseReport, SubmitReport, Submitted
from wakeline_sdk.paths import path
from wakeline_sdk.shapes import Annotation

MOST_LEASES = 200
"""Leases of one request."""


class Leases:
    """The exclusive, expiring rights of the calling person to tasks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def take(self, project_id: str, stage: str, count: int = 1) -> list[Lease]:
        """Lease the next tasks.

        Raises
        ------
        NotFoundError
            If there is nothing to do for this person at the moment.
        """
        where = path("/v1/projects/{}/stages/{}/leases", project_id, stage)
        answer = self._transport.json("labeling", "POST", where, json={"count": count})
        return [Lease.model_validate(item) for item in answer["leases"]]

    def held(self) -> Sequence[Lease]:
        """The caller's living leases, whatever client they were made with."""
        answer = self._transport.json("labeling", "GET", "/v1/leases")
        return [Lease.model_validate(item) for item in answer["leases"]]

    def get(self, lease_id: str) -> Lease:
        """One of the caller's living leases."""
        where = path("/v1/leases/{}", lease_id)
        return Lease.model_validate(self._transport.json("labeling", "GET", where))

    def image(self, lease: Lease) -> bytes:
        """The image of a live lease."""
        return self._transport.bytes("labeling", path("/v1/leases/{}/image", lease.lease_id))

    def band(self, lease: Lease, name: str) -> bytes:
        """An extra band of the image of a live lease."""
        where = path("/v1/leases/{}/bands/{}", lease.lease_id, name)
        return self._transport.bytes("labeling", where)

    def heartbeat(self, lease: Lease) -> datetime:
        """Let a lease last its full time from now on; returns until when."""
        answer = self._post(lease, "heartbeat")
        return datetime.fromisoformat(answer["expires_at"])

    def draft(self, lease: Lease, annotations: Sequence[Annotation]) -> None:
        """Keep unfinished work on the server; it comes back with the next lease of the task."""
        body = {"fence": lease.fence, "annotations": _wire(annotations)}
        where = path("/v1/leases/{}/draft", lease.lease_id)
        self._transport.json("labeling", "PUT", where, json=body)

    def give_back(self, lease: Lease, reason: str = "") -> None:
        """Return a task to the queue."""
        self._post(lease, "return", {"reason": reason})

    def skip(self, lease: Lease, reason: str = "") -> None:
        """Return a task for somebody else."""
        self._post(lease, "skip", {"reason": reason})

    def submit(
        self, lease: Lease, annotations: Sequence[Annotation], seconds: float | None = None
    ) -> Submitted:
        """Hand in a label.

        Parameters
        ----------
        seconds
            Human time that it took, as the client measured it.

        Raises
        ------
        ConflictError
            If the lease is over; the work is kept as a draft.
        InvalidRequestError
            If the annotations do not fit the ontology or the image.
        """
        body: dict[str, Any] = {"fence": lease.fence, "annotations": _wire(annotations)}
        if seconds is not None:
            body["seconds"] = seconds
        return Submitted.model_validate(self._post(lease, "submit", body))

    def heartbeat_many(self, leases: Sequence[Lease]) -> Sequence[LeaseReport]:
        """Let several leases last their full time from now on; one report each."""
        reports = []
        for batch in _batches([lease.lease_id for lease in leases]):
            answer = self._transport.json(
                "labeling", "POST", "/v1/leases/heartbeat", json={"lease_ids": batch}
            )
            for item in answer["items"]:
                alive = item["heartbeat"] or {}
                told = {**item, "expires_at": alive.get("expires_at")}
                reports.append(LeaseReport.model_validate(told))
        return reports

    def give_back_many(self, leases: Sequence[Lease]) -> Sequence[LeaseReport]:
        """Return several tasks to the queue; one report each."""
        reports = []
        for batch in _batches([lease.lease_id for lease in leases]):
            answer = self._transport.json(
                "labeling", "POST", "/v1/leases/return", json={"lease_ids": batch}
            )
            reports += [LeaseReport.model_validate(item) for item in answer["items"]]
        return reports

    def submit_many(
        self, labels: Sequence[tuple[Lease, Sequence[Annotation], float | None]]
    ) -> Sequence[SubmitReport]:
        """Hand in several labels: lease, annotations, and seconds of human time if measured.

        A bad one does not hold up the others: each has its report, in their order.
        """
        reports = []
        for batch in batches(_submits(labels), most=MOST_LEASES):
            answer = self._transport.json(
                "labeling", "POST", "/v1/leases/submit", json={"items": batch}
            )
            reports += [SubmitReport.model_validate(item) for item in answer["items"]]
        return reports

    def _post(self, lease: Lease, what: str, body: dict[str, Any] | None = None) -> Any:
        where = path("/v1/leases/{}/{}", lease.lease_id, what)
        request = {} if body is None else {"json": body}
        return self._transport.json("labeling", "POST", where, **request)


class Labels:
    """Labels with their effort, for export and analysis."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, project_id: str, stage: str | None = None, state: str | None = None
    ) -> Iterator[LabelRecord]:
        """The labels of a project in the order of their submits."""
        where = path("/v1/projects/{}/labels", project_id)
        wanted = {"stage": stage, "state": state, "limit": 200}
        for item in self._transport.pages("labeling", where, wanted):
            yield LabelRecord.model_validate(item)


def _wire(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    return [annotation.model_dump(mode="json") for annotation in annotations]


def _batches(lease_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(lease_ids), MOST_LEASES):
        yield lease_ids[first : first + MOST_LEASES]


def _submits(
    labels: Sequence[tuple[Lease, Sequence[Annotation], float | None]],
) -> Iterator[dict[str, Any]]:
    for lease, annotations, seconds in labels:
        made = {"lease_id": lease.lease_id, "fence": lease.fence}
        yield {**made, "annotations": _wire(annotations), "seconds": seconds}
