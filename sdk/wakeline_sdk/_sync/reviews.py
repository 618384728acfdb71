"""Reviewing: leases of labels to judge, verdicts, and what became of labels."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import ReviewAction, ReviewLease, ReviewRecord, Verdict
from wakeline_sdk.paths import path
from wakeline_sdk.shapes import Annotation


class Reviews:
    """What experts do with labels."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def take(self, project_id: str, stage: str, count: int = 1) -> Sequence[ReviewLease]:
        """Lease the next labels to judge.

        Raises
        ------
        NotFoundError
            If nothing waits for this reviewer.
        """
        body = {"project": project_id, "stage": stage, "count": count}
        answer = self._transport.json("review", "POST", "/v1/reviews/leases", json=body)
        return [ReviewLease.model_validate(item) for item in answer["leases"]]

    def held(self) -> Sequence[ReviewLease]:
        """The caller's living leases, whatever client they were made with."""
        answer = self._transport.json("review", "GET", "/v1/reviews/leases")
        return [ReviewLease.model_validate(item) for item in answer["leases"]]

    def release(
        self, project_id: str, person_id: str, stage: str | None = None, reason: str = ""
    ) -> int:
        """End a person's leases in a project, or in one stage; how many there were.

        What they hand in afterwards is refused and kept as a draft.

        Parameters
        ----------
        reason
            For those who look at :meth:`actions` later.
        """
        body = {"project": project_id, "stage": stage, "person_id": person_id, "reason": reason}
        where = "/v1/reviews/leases/release"
        return int((self._transport.json("review", "POST", where, json=body))["released"])

    def actions(self, project_id: str) -> Iterator[ReviewAction]:
        """Whose leases managers ended, the newest first."""
        where, wanted = "/v1/reviews/actions", {"project": project_id}
        for item in self._transport.pages("review", where, wanted):
            yield ReviewAction.model_validate(item)

    def image(self, lease: ReviewLease) -> bytes:
        """The image of a live lease."""
        where = path("/v1/reviews/leases/{}/image", lease.lease_id)
        return self._transport.bytes("review", where)

    def band(self, lease: ReviewLease, name: str) -> bytes:
        """An extra band of the image of a live lease."""
        where = path("/v1/reviews/leases/{}/bands/{}", lease.lease_id, name)
        return self._transport.bytes("review", where)

    def heartbeat(self, lease: ReviewLease) -> datetime:
        """Let a lease last its full time from now on; returns until when."""
        where = path("/v1/reviews/leases/{}/heartbeat", lease.lease_id)
        answer = self._transport.json("review", "POST", where)
        return datetime.fromisoformat(answer["expires_at"])

    def judge(
        self,
        lease: ReviewLease,
        verdict: Literal["accept", "correct", "reject"],
        *,
        annotations: Sequence[Annotation] | None = None,
        labels: Sequence[str] = (),
        comment: str | None = None,
        seconds: float | None = None,
    ) -> Verdict:
        """Give a verdict.

        Parameters
        ----------
        annotations
            The whole corrected label, with ``correct`` and only there; [] if nothing is there.
        labels
            Where several labels are judged at once: with ``accept`` the one that counts as it is
            (none: what the lease proposes), with ``reject`` those that are sent back.

        Raises
        ------
        ConflictError
            If the lease is over (the work is kept as a draft), or this round cannot be rejected.
        InvalidRequestError
            If ``correct`` comes without annotations, or another verdict with some.
        """
        body: dict[str, Any] = {"fence": lease.fence, "verdict": verdict}
        if annotations is not None:
            body["annotations"] = [a.model_dump(mode="json") for a in annotations]
        if labels:
            body["labels"] = list(labels)
        if comment is not None:
            body["comment"] = comment
        if seconds is not None:
            body["seconds"] = seconds
        where = path("/v1/reviews/leases/{}/verdict", lease.lease_id)
        return Verdict.model_validate(self._transport.json("review", "POST", where, json=body))

    def give_back(self, lease: ReviewLease) -> None:
        """Return a label to the queue unjudged."""
        where = path("/v1/reviews/leases/{}/return", lease.lease_id)
        self._transport.json("review", "POST", where)

    def skip(self, lease: ReviewLease) -> None:
        """Leave a label to somebody else: the caller is not given it for a day."""
        where = path("/v1/reviews/leases/{}/skip", lease.lease_id)
        self._transport.json("review", "POST", where)

    def verdict(self, label_id: str) -> Verdict:
        """What became of a label, with the reviewer's comment."""
        return Verdict.model_validate(
            self._transport.json("review", "GET", "/v1/verdicts", params={"label_id": label_id})
        )

    def correct(self, label_id: str, annotations: Sequence[Annotation]) -> Verdict:
        """Correct a label that counts already."""
        body = {"annotations": [a.model_dump(mode="json") for a in annotations]}
        where = path("/v1/reviews/{}/corrections", label_id)
        return Verdict.model_validate(self._transport.json("review", "POST", where, json=body))

    def status(self, project_id: str, stage: str) -> dict[str, int]:
        """How many labels of a stage are in each state."""
        answer = self._transport.json(
            "review", "GET", "/v1/reviews/status", params={"project": project_id, "stage": stage}
        )
        return dict(answer["counts"])

    def list(self, project_id: str, stage: str | None = None) -> Iterator[ReviewRecord]:
        """All reviews of a project."""
        wanted = {"project": project_id, "stage": stage, "limit": 500}
        for item in self._transport.pages("review", "/v1/reviews", wanted):
            yield ReviewRecord.model_validate(item)
