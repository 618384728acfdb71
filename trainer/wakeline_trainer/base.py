"""The model that a run begins with: what earlier runs learned is not learned again."""

import io
import pickle
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from wakeline_models.card import ModelCard
from wakeline_trainer.contract import Parameters
from wakeline_trainer.storage import Storage, below

WEIGHTS = "weights.pt"
CARD = "card.json"


@dataclass(frozen=True, slots=True)
class Base:
    """A trained network, and the card that says how it sees images."""

    card: ModelCard
    weights: dict[str, Tensor]

    def fits(self, parameters: Parameters, channels: tuple[str, ...]) -> bool:
        """Whether a run with these parameters and channels can go on from it."""
        return (
            self.card.kind == parameters.kind
            and self.card.classes == parameters.classes
            and self.card.channels == channels
            and parameters.scale in (None, self.card.scale)
        )

    def put_into(self, network: nn.Module) -> bool:
        """Give a network these weights; False if another release made them for another one."""
        try:
            network.load_state_dict(self.weights)
        except RuntimeError:
            return False
        return True


def load_base(storage: Storage, uri: str | None) -> Base | None:
    """Read what an earlier run left; None if there is nothing of use: no run fails for it."""
    if uri is None:
        return None
    try:
        card = ModelCard.model_validate_json(storage.read(below(uri, CARD)))
        weights = torch.load(io.BytesIO(storage.read(below(uri, WEIGHTS))), weights_only=True)
    except (FileNotFoundError, ValidationError, pickle.UnpicklingError, RuntimeError):
        return None
    return Base(card, weights)


def to_bytes(weights: dict[str, Tensor]) -> bytes:
    """The content of ``weights.pt``."""
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    return buffer.getvalue()
