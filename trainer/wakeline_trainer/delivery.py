"""What a run delivers: the exported model with its card, and its predictions on the hold-out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from wakeline_geometry.shapes import Predicted
from wakeline_models.card import BoxDecoding, InstanceDecoding, ModelCard, digest_of
from wakeline_models.inference import Model
from wakeline_models.windows import Maps
from wakeline_trainer import export
from wakeline_trainer.base import CARD, WEIGHTS, to_bytes
from wakeline_trainer.contract import Asset, Parameters, json_line
from wakeline_trainer.data import Sample, in_channels
from wakeline_trainer.evaluation import CALIBRATED_ON, holdout_metrics, least_score
from wakeline_trainer.networks import CardMaps
from wakeline_trainer.plan import MULTIPLE
from wakeline_trainer.preparation import Prepared
from wakeline_trainer.storage import Storage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trained network came to."""

    artefacts: dict[str, bytes]
    """Contents by name."""
    metrics: dict[str, Any]


def blank_card(data: Prepared, parameters: Parameters, dataset: str) -> ModelCard:
    """The card of a model that is still to be trained."""
    plan = data.plan
    return ModelCard(
        kind=parameters.kind,
        classes=parameters.classes,
        channels=data.channels,
        mean=data.levels.mean,
        std=data.levels.std,
        scale=plan.scale,
        tile=plan.tile,
        overlap=plan.overlap,
        multiple=MULTIPLE,
        stride=plan.stride,
        object_size=plan.object_size,
        decode=(
            InstanceDecoding(vote_blur=plan.vote_blur, min_cells=plan.min_cells)
            if parameters.kind == "instances"
            else BoxDecoding()
        ),
        trained_on=dataset,
    )


def deliver(
    storage: Storage, network: nn.Module, card: ModelCard, data: Prepared, threads: int
) -> Outcome:
    """Export a network, choose what is worth showing, and predict the hold-out with it.

    Predictions are made by onnxruntime from the exported bytes: what is measured is what serves.
    """
    answering = CardMaps(network, card.kind, len(card.classes))
    onnx = export.to_onnx(answering, card)
    difference = export.largest_difference(answering, onnx, first_window(data.samples[0], card))
    card = card.model_copy(update={"digest": digest_of(onnx)})
    model = Model.load(onnx, card, threads)

    def maps_of(asset: Asset) -> Maps:
        return model.maps(in_channels(storage, asset, card.channels), card.channels)

    seen = data.train[:: -(-len(data.train) // CALIBRATED_ON)]
    score = least_score([(asset, maps_of(asset)) for asset in seen], card)
    decoding = card.decode.model_copy(update={"min_score": score})
    card = card.model_copy(update={"decode": decoding})
    model = Model.load(onnx, card, threads)
    predictions = [
        (asset, model.predict(in_channels(storage, asset, card.channels), card.channels))
        for asset in data.holdout
    ]
    return Outcome(
        artefacts={
            "model.onnx": onnx,
            CARD: card.model_dump_json(indent=1).encode(),
            WEIGHTS: to_bytes(network.state_dict()),
            "predictions.jsonl": _lines(predictions),
        },
        metrics={"holdout": holdout_metrics(predictions), "onnx_max_difference": difference},
    )


def first_window(sample: Sample, card: ModelCard) -> Maps:
    """The first window of a training image, to compare torch with onnxruntime on; (C, h, w)."""
    _, *size = sample.image.shape
    height, width = (min(card.tile, -(-side // card.multiple) * card.multiple) for side in size)
    window = np.zeros((len(card.channels), height, width), np.float32)
    part = sample.image[:, :height, :width]
    window[:, : part.shape[1], : part.shape[2]] = part
    return window


def _lines(predictions: Sequence[tuple[Asset, Sequence[Predicted]]]) -> bytes:
    return "".join(
        json_line(
            {
                "asset_id": asset.asset_id,
                "shapes": [shape.model_dump(mode="json") for shape in shapes],
            }
        )
        for asset, shapes in predictions
    ).encode()
