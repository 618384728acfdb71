"""Predictions: run your own model, upload its output, labelers see it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.batches import batches
from wakeline_sdk.checking import problems_of
from wakeline_sdk.models import LinesReport, PredictionStatus, StoredPrediction, UploadedPrediction
from wakeline_sdk.shapes import Predicted


class Predictions:
    """Predictions of the platform's predictors and of your own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(
        self,
        project_id: str,
        stage: str,
        predictions: Mapping[str, Sequence[Predicted]] | Iterable[tuple[str, Sequence[Predicted]]],
        *,
        predictor: str = "external",
        version: str = "1",
    ) -> Sequence[UploadedPrediction]:
        """Upload the output of a model that runs elsewhere: asset id -> its shapes.

        The stage must list the predictor (``external`` or ``external.<name>``); where it stands
        first, its shapes are what labelers see. Upload no shapes (``[]``) for an asset on which
        nothing was found, else what was uploaded for it before still stands.

        Returns
        -------
        sequence of UploadedPrediction
            One for each asset, in no particular order; a refused one says why, the others are
            stored.
        """
        reports: list[UploadedPrediction] = []

        def items() -> Iterator[dict[str, Any]]:
            pairs = predictions.items() if isinstance(predictions, Mapping) else predictions
            for asset_id, shapes in pairs:
                if problems := problems_of(shapes):
                    reports.append(_refused(asset_id, problems))
                    continue
                wire = [shape.model_dump(mode="json") for shape in shapes]
                yield {"asset_id": asset_id, "shapes": wire}

        for batch in batches(items()):
            body = {
                "project": project_id,
                "stage": stage,
                "predictor": predictor,
                "version": version,
                "items": batch,
            }
            answer = self._transport.json("prediction", "POST", "/v1/predictions", json=body)
            reports += [UploadedPrediction.model_validate(item) for item in answer["items"]]
        return reports

    def upload_lines(
        self,
        project_id: str,
        stage: str,
        predictions: Iterable[tuple[str, Sequence[Predicted]]],
        *,
        predictor: str = "external",
        version: str = "1",
    ) -> Iterator[LinesReport]:
        """Upload as many predictions as there are: memory does not grow with their number.

        What is uploaded later for an asset takes the place of what was. Reports come while the
        rest is still being read; nothing is sent unless they are asked for.
        """
        asked = {"project": project_id, "stage": stage, "predictor": predictor, "version": version}
        items = (
            {"asset_id": asset_id, "shapes": [shape.model_dump(mode="json") for shape in shapes]}
            for asset_id, shapes in predictions
        )
        for report in self._transport.send_lines(
            "prediction", "/v1/predictions/lines", asked, items
        ):
            yield report

    def status(self, project_id: str, stage: str) -> PredictionStatus:
        """How many tasks of a stage have their pre-label of what serves now."""
        wanted = {"project": project_id, "stage": stage}
        return PredictionStatus.model_validate(
            self._transport.json("prediction", "GET", "/v1/predictions/status", params=wanted)
        )

    def list(
        self, *, task_id: str | None = None, asset_id: str | None = None
    ) -> Iterator[StoredPrediction]:
        """The predictions made for a task or an asset, the newest first."""
        wanted = {"task_id": task_id, "asset_id": asset_id}
        for item in self._transport.pages("prediction", "/v1/predictions", wanted):
            yield cast(StoredPrediction, item)


def _refused(asset_id: str, problems: Sequence[str]) -> UploadedPrediction:
    return UploadedPrediction(
        asset_id=asset_id, status="refused", code="invalid-shapes", detail="; ".join(problems[:5])
    )
