"""What serves said of hold-out assets: the latest answer of each asset at each stage."""

from wakeline_events.base import StageId
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_events.shapes import PredictionSet
from wakeline_storage import BufferedCollection, Document
from wakeline_training.ports import Answer


class PredictionStore:
    """The collection ``holdout_predictions``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    def completed(self, event: PredictionCompleted) -> None:
        """Keep a hold-out answer, unless a later epoch has answered already.

        Of other assets nothing is kept; an earlier failure is forgotten.
        """
        name = f"{event.stage_id}|{event.asset_id}"
        if not event.holdout:
            self._rows.delete({"_id": name, "shapes": None})
            return
        self._keep(
            name,
            {
                "stage_id": event.stage_id,
                "asset_id": event.asset_id,
                "predictor": event.predictor,
                "predictor_version": event.predictor_version,
                "serving_epoch": event.serving_epoch,
                "shapes": event.shapes.model_dump(mode="json"),
            },
        )

    def failed(self, event: PredictionFailed) -> None:
        """Keep that nothing could be said of an asset: that too is an answer."""
        self._keep(
            f"{event.stage_id}|{event.asset_id}",
            {
                "stage_id": event.stage_id,
                "asset_id": event.asset_id,
                "predictor": event.predictor,
                "predictor_version": event.predictor,
                "serving_epoch": event.serving_epoch,
                "shapes": None,
            },
        )

    async def of_epoch(self, stage_id: StageId, serving_epoch: int) -> list[Answer]:
        """The answers of what serves under an epoch, by asset id."""
        rows = await self._rows.find(
            {"stage_id": stage_id, "serving_epoch": serving_epoch}, sort=[("asset_id", 1)]
        )
        return [
            Answer(
                asset_id=row["asset_id"],
                predictor=row["predictor"],
                predictor_version=row["predictor_version"],
                serving_epoch=row["serving_epoch"],
                shapes=PredictionSet.model_validate(row["shapes"]) if row["shapes"] else None,
            )
            for row in rows
        ]

    def _keep(self, name: str, row: Document) -> None:
        stored_is_later = {"$gt": [{"$ifNull": ["$serving_epoch", -1]}, row["serving_epoch"]]}
        newer = {"$mergeObjects": [{"_id": "$_id"}, {"$literal": row}]}
        self._rows.update(
            {"_id": name},
            [{"$replaceWith": {"$cond": [stored_is_later, "$$ROOT", newer]}}],
            upsert=True,
        )
