"""Predictions: run your own model, upload its output, labelers see it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import UploadedPrediction
from wakeline_sdk.shapes import Predicted

ITEMS = 100
"""Predictions of one request: far below the limits of 1,000 items and 8 MB."""


class AsyncPredictions:
    """Predictions of the platform's predictors and of your own."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def upload(
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
        first, its shapes are what labelers see.

        Returns
        -------
        sequence of UploadedPrediction
            One for each asset; a refused one says why, the others are stored.
        """
        pairs = predictions.items() if isinstance(predictions, Mapping) else predictions
        reports: list[UploadedPrediction] = []
        batch: list[dict[str, Any]] = []
        for asset_id, shapes in pairs:
            wire = [shape.model_dump(mode="json") for shape in shapes]
            batch.append({"asset_id": asset_id, "shapes": wire})
            if len(batch) == ITEMS:
                reports += await self._send(project_id, stage, predictor, version, batch)
                batch = []
        if batch:
            reports += await self._send(project_id, stage, predictor, version, batch)
        return reports

    async def list(
        self, *, task_id: str | None = None, asset_id: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """The predictions made for a task or an asset."""
        wanted = {"task_id": task_id, "asset_id": asset_id}
        async for item in self._transport.pages("prediction", "/v1/predictions", wanted):
            yield item

    async def _send(
        self,
        project_id: str,
        stage: str,
        predictor: str,
        version: str,
        items: Sequence[dict[str, Any]],
    ) -> Sequence[UploadedPrediction]:
        body = {
            "project": project_id,
            "stage": stage,
            "predictor": predictor,
            "version": version,
            "items": items,
        }
        answer = await self._transport.json("prediction", "POST", "/v1/predictions", json=body)
        return [UploadedPrediction.model_validate(item) for item in answer["items"]]
