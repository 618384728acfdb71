"""One simulated person as a process: it has a URL, a token and the truth as eyes, nothing else.

``python -m wakeline_demo.workforce`` reads commands as JSON lines from standard input and answers
each with a JSON line: ``{"do": "label"}`` leases one task, labels it and submits;
``{"do": "review"}`` does the same with one review. Time is simulated: nobody sleeps for it.
"""

import json
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wakeline_demo import folders
from wakeline_demo.effort import RANGES, errors_of, seconds
from wakeline_demo.folders import TrueImage
from wakeline_demo.person import Outcome, Person, as_shown
from wakeline_geometry.agreement import agreement
from wakeline_geometry.shapes import Annotation, Predicted
from wakeline_sdk import Annotation as WireAnnotation
from wakeline_sdk import Client, ConflictError, NotFoundError
from wakeline_sdk.models import LeasedAsset

REJECT_BELOW = 0.4
"""A label that agrees less than this with what the expert sees is sent back, not corrected."""


class Worker:
    """A person at work."""

    def __init__(
        self,
        client: Client,
        eyes: Mapping[str, TrueImage],
        person: Person,
        project: str,
        stage: str,
        seed: Sequence[int],
    ) -> None:
        self._client = client
        self._eyes = eyes
        self._person = person
        self._project = project
        self._stage = stage
        self._seed = seed

    def label(self) -> dict[str, Any]:
        """Lease one task, label it, hand it in."""
        try:
            (lease,) = self._client.leases.take(self._project, self._stage)
        except NotFoundError:
            return {"did": "nothing"}
        self._client.leases.image(lease)  # as a labeler's screen would
        shown = [_predicted(shape) for shape in lease.prelabel.shapes] if lease.prelabel else []
        outcome = self._work(lease.asset, shown, lease.round)
        took = seconds(outcome.steps)
        try:
            submitted = self._client.leases.submit(lease, _wire(outcome.annotations), took)
        except ConflictError:
            return {"did": "nothing"}
        return {
            "did": "label",
            "label_id": submitted.label_id,
            "asset_id": lease.asset.asset_id,
            "seconds": took,
            "steps": [asdict(step) for step in outcome.steps],
            "quality": self._quality(lease.asset, outcome),
            "prelabels": lease.prelabel is not None,
        }

    def review(self) -> dict[str, Any]:
        """Lease one label, look at each of its shapes, and judge it."""
        try:
            (lease,) = self._client.reviews.take(self._project, self._stage)
        except NotFoundError:
            return {"did": "nothing"}
        self._client.reviews.image(lease)
        submitted = [Annotation.model_validate(a.model_dump()) for a in lease.annotations]
        outcome = self._work(lease.asset, as_shown(submitted), 100 + lease.round)
        took = seconds(outcome.steps)
        image = self._eyes[lease.asset.digest]
        alike = agreement(submitted, outcome.annotations, (image.height, image.width))
        if all(step.kind in ("open", "confirm") for step in outcome.steps):
            verdict = self._client.reviews.judge(lease, "accept", seconds=took)
        elif alike < REJECT_BELOW and lease.round == 1:
            verdict = self._client.reviews.judge(
                lease, "reject", comment="most of this is not what the image shows", seconds=took
            )
        else:
            verdict = self._client.reviews.judge(
                lease, "correct", annotations=_wire(outcome.annotations), seconds=took
            )
        return {
            "did": "review",
            "label_id": lease.label_id,
            "seconds": took,
            "verdict": verdict.verdict,
            "agreement": verdict.agreement,
        }

    def _work(self, asset: LeasedAsset, shown: Sequence[Predicted], round: int) -> Outcome:
        image = self._eyes[asset.digest]
        # The same person has the same luck on the same image, whatever came before it.
        luck = np.random.default_rng([*self._seed, zlib.crc32(asset.digest.encode()), round])
        return self._person.label(image.shapes, shown, (image.height, image.width), luck)

    def _quality(self, asset: LeasedAsset, outcome: Outcome) -> float:
        """How well the label agrees with the truth: known here only because it is simulated."""
        image = self._eyes[asset.digest]
        return agreement(image.shapes, outcome.annotations, (image.height, image.width))


def _predicted(shape: Any) -> Predicted:
    return Predicted.model_validate(shape.model_dump())


def _wire(annotations: Sequence[Annotation]) -> list[WireAnnotation]:
    return [WireAnnotation.model_validate(a.model_dump()) for a in annotations]


def main() -> None:
    """Work on commands until standard input ends."""
    told = json.loads(sys.argv[1])
    folder = folders.read(Path(told["truth"]))
    seed = [told["seed"], told["number"]]
    draws = np.random.default_rng(seed).random(len(RANGES))
    errors = errors_of(dict(zip(RANGES, draws, strict=True)), expert=told["expert"])
    eyes = {image.digest: image for image in folder.images}
    with Client(told["url"], os.environ["WAKELINE_TOKEN"]) as client:
        person = Person(errors, folder.classes)
        worker = Worker(client, eyes, person, told["project"], told["stage"], seed)
        for line in sys.stdin:
            match json.loads(line)["do"]:
                case "label":
                    answer = worker.label()
                case "review":
                    answer = worker.review()
                case other:
                    raise ValueError(f"a worker cannot {other}")
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
