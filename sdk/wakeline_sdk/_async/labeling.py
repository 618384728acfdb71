"""Labeling itself: leases, and the labels that came of them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import LabelRecord, Lease, Submitted
from wakeline_sdk.shapes import Annotation


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
        path = f"/v1/projects/{project_id}/stages/{stage}/leases"
        answer = await self._transport.json("labeling", "POST", path, json={"count": count})
        return [Lease.model_validate(item) for item in answer["leases"]]

    async def image(self, lease: Lease) -> bytes:
        """The image of a live lease."""
        return await self._transport.bytes("labeling", f"/v1/leases/{lease.lease_id}/image")

    async def band(self, lease: Lease, name: str) -> bytes:
        """An extra band of the image of a live lease."""
        return await self._transport.bytes("labeling", f"/v1/leases/{lease.lease_id}/bands/{name}")

    async def heartbeat(self, lease: Lease) -> None:
        """Keep a lease alive."""
        await self._post(lease, "heartbeat", {"fence": lease.fence})

    async def draft(self, lease: Lease, annotations: Sequence[Annotation]) -> None:
        """Keep unfinished work on the server."""
        body = {"fence": lease.fence, "annotations": _wire(annotations)}
        await self._transport.json(
            "labeling", "PUT", f"/v1/leases/{lease.lease_id}/draft", json=body
        )

    async def give_back(self, lease: Lease, reason: str) -> None:
        """Return a task to the queue."""
        await self._post(lease, "return", {"fence": lease.fence, "reason": reason})

    async def skip(self, lease: Lease, reason: str) -> None:
        """Return a task, and never see it again."""
        await self._post(lease, "skip", {"fence": lease.fence, "reason": reason})

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

    async def _post(self, lease: Lease, what: str, body: dict[str, Any]) -> Any:
        path = f"/v1/leases/{lease.lease_id}/{what}"
        return await self._transport.json("labeling", "POST", path, json=body)


class AsyncLabels:
    """Labels with their effort, for export and analysis."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self, project_id: str, stage: str | None = None) -> AsyncIterator[LabelRecord]:
        """All labels of a project."""
        path = f"/v1/projects/{project_id}/labels"
        async for item in self._transport.pages("labeling", path, {"stage": stage, "limit": 200}):
            yield LabelRecord.model_validate(item)


def _wire(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    return [annotation.model_dump(mode="json") for annotation in annotations]
