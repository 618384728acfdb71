"""Labeling itself: leases, and the labels that came of them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.batches import batches
from wakeline_sdk.models import LabelRecord, Lease, LeaseReport, SubmitReport, Submitted
from wakeline_sdk.paths import path
from wakeline_sdk.shapes import Annotation

MOST_LEASES = 200
"""Leases of one request."""


class AsyncLeases:
    """The exclusive, expiring rights of the calling person to tasks."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def take(self, project_id: str, stage: str, count: int = 1) -> list[Lease]:
        """Lease the next tasks.

        Raises
        ------
        NotFoundError
            If there is nothing to do for this person at the moment.
        """
        where = path("/v1/projects/{}/stages/{}/leases", project_id, stage)
        answer = await self._transport.json("labeling", "POST", where, json={"count": count})
        return [Lease.model_validate(item) for item in answer["leases"]]

    async def held(self) -> Sequence[Lease]:
        """The caller's living leases, whatever client they were made with."""
        answer = await self._transport.json("labeling", "GET", "/v1/leases")
        return [Lease.model_validate(item) for item in answer["leases"]]

    async def get(self, lease_id: str) -> Lease:
        """One of the caller's living leases."""
        where = path("/v1/leases/{}", lease_id)
        return Lease.model_validate(await self._transport.json("labeling", "GET", where))

    async def image(self, lease: Lease) -> bytes:
        """The image of a live lease."""
        return await self._transport.bytes("labeling", path("/v1/leases/{}/image", lease.lease_id))

    async def band(self, lease: Lease, name: str) -> bytes:
        """An extra band of the image of a live lease."""
        where = path("/v1/leases/{}/bands/{}", lease.lease_id, name)
        return await self._transport.bytes("labeling", where)

    async def heartbeat(self, lease: Lease) -> datetime:
        """Let a lease last its full time from now on; returns until when."""
        answer = await self._post(lease, "heartbeat")
        return datetime.fromisoformat(answer["expires_at"])

    async def draft(self, lease: Lease, annotations: Sequence[Annotation]) -> None:
        """Keep unfinished work on the server; it comes back with the next lease of the task."""
        body = {"fence": lease.fence, "annotations": _wire(annotations)}
        where = path("/v1/leases/{}/draft", lease.lease_id)
        await self._transport.json("labeling", "PUT", where, json=body)

    async def give_back(self, lease: Lease, reason: str = "") -> None:
        """Return a task to the queue."""
        await self._post(lease, "return", {"reason": reason})

    async def skip(self, lease: Lease, reason: str = "") -> None:
        """Return a task for somebody else."""
        await self._post(lease, "skip", {"reason": reason})

    async def submit(
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
        return Submitted.model_validate(await self._post(lease, "submit", body))

    async def heartbeat_many(self, leases: Sequence[Lease]) -> Sequence[LeaseReport]:
        """Let several leases last their full time from now on; one report each."""
        reports = []
        for batch in _batches([lease.lease_id for lease in leases]):
            answer = await self._transport.json(
                "labeling", "POST", "/v1/leases/heartbeat", json={"lease_ids": batch}
            )
            for item in answer["items"]:
                alive = item["heartbeat"] or {}
                told = {**item, "expires_at": alive.get("expires_at")}
                reports.append(LeaseReport.model_validate(told))
        return reports

    async def give_back_many(self, leases: Sequence[Lease]) -> Sequence[LeaseReport]:
        """Return several tasks to the queue; one report each."""
        reports = []
        for batch in _batches([lease.lease_id for lease in leases]):
            answer = await self._transport.json(
                "labeling", "POST", "/v1/leases/return", json={"lease_ids": batch}
            )
            reports += [LeaseReport.model_validate(item) for item in answer["items"]]
        return reports

    async def submit_many(
        self, labels: Sequence[tuple[Lease, Sequence[Annotation], float | None]]
    ) -> Sequence[SubmitReport]:
        """Hand in several labels: lease, annotations, and seconds of human time if measured.

        A bad one does not hold up the others: each has its report, in their order.
        """
        reports = []
        for batch in batches(_submits(labels), most=MOST_LEASES):
            answer = await self._transport.json(
                "labeling", "POST", "/v1/leases/submit", json={"items": batch}
            )
            reports += [SubmitReport.model_validate(item) for item in answer["items"]]
        return reports

    async def _post(self, lease: Lease, what: str, body: dict[str, Any] | None = None) -> Any:
        where = path("/v1/leases/{}/{}", lease.lease_id, what)
        request = {} if body is None else {"json": body}
        return await self._transport.json("labeling", "POST", where, **request)


class AsyncLabels:
    """Labels with their effort, for export and analysis."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self, project_id: str, stage: str | None = None, state: str | None = None
    ) -> AsyncIterator[LabelRecord]:
        """The labels of a project in the order of their submits."""
        where = path("/v1/projects/{}/labels", project_id)
        wanted = {"stage": stage, "state": state, "limit": 200}
        async for item in self._transport.pages("labeling", where, wanted):
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
