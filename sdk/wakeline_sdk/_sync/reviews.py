"""Reviewing: leases of labels to judge, verdicts, and what became of labels."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import ReviewLease, ReviewRecord, Verdict
from wakeline_sdk.shapes import Annotation


class Reviews:
    """What experts do with labels."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def take(self, project_id: str, stage: str, count: int = 1) -> list[ReviewLease]:
        """Lease the next labels to judge.

        Raises
        ------
        NotFoundError
            If nothing waits for this reviewer.
        """
        body = {"project": project_id, "stage": stage, "count": count}
        answer = self._transport.json("review", "POST", "/v1/reviews/leases", json=body)
        return [ReviewLease.model_validate(item) for item in answer["leases"]]

    def image(self, lease: ReviewLease) -> bytes:
        """The image of a live lease."""
        return self._transport.bytes("review", f"/v1/reviews/leases/{lease.lease_id}/image")

    def judge(
        self,
        lease: ReviewLease,
        verdict: Literal["accept", "correct", "reject"],
        *,
        annotations: Sequence[Annotation] | None = None,
        comment: str | None = None,
        seconds: float | None = None,
    ) -> Verdict:
        """Give a verdict; ``annotations`` are the whole corrected label, only with ``correct``."""
        body: dict[str, Any] = {"fence": lease.fence, "verdict": verdict}
        if annotations is not None:
            body["annotations"] = [a.model_dump(mode="json") for a in annotations]
        if comment is not None:
            body["comment"] = comment
        if seconds is not None:
            body["seconds"] = seconds
        path = f"/v1/reviews/leases/{lease.lease_id}/verdict"
        return Verdict.model_validate(self._transport.json("review", "POST", path, json=body))

    def give_back(self, lease: ReviewLease) -> None:
        """Return a label to the queue unjudged."""
        path = f"/v1/reviews/leases/{lease.lease_id}/return"
        self._transport.json("review", "POST", path)

    def verdict(self, label_id: str) -> Verdict:
        """What became of a label, with the reviewer's comment."""
        return Verdict.model_validate(
            self._transport.json("review", "GET", "/v1/verdicts", params={"label_id": label_id})
        )

    def correct(self, label_id: str, annotations: Sequence[Annotation]) -> Verdict:
        """Correct a label that counts already."""
        body = {"annotations": [a.model_dump(mode="json") for a in annotations]}
        path = f"/v1/reviews/{label_id}/corrections"
        return Verdict.model_validate(self._transport.json("review", "POST", path, json=body))

    def status(self, project_id: str, stage: str) -> dict[str, int]:
        """How many labels of a stage are in each state."""
        answer = self._transport.json(
            "review", "GET", "/v1/reviews/status", params={"project": project_id, "stage": stage}
        )
        return dict(answer["counts"])

    def list(self, project_id: str, stage: str | None = None) -> Iterator[ReviewRecord]:
        """All reviews of a project."""
        wanted = {"project": project_id, "stage": stage}
        for item in self._transport.pages("review", "/v1/reviews", wanted):
            yield ReviewRecord.model_validate(item)
