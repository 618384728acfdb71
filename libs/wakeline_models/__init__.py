"""Models that people's labels made: their card, how they run, and how their maps become shapes."""

from wakeline_models.card import BoxDecoding, InstanceDecoding, ModelCard, digest_of
from wakeline_models.errors import ModelError
from wakeline_models.inference import Model
from wakeline_models.uncertainty import uncertainty

__all__ = [
    "BoxDecoding",
    "InstanceDecoding",
    "Model",
    "ModelCard",
    "ModelError",
    "digest_of",
    "uncertainty",
]
