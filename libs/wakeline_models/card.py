"""The card beside a model's ONNX file: all that is needed to run it and to read its maps.

A model is one network from a stack of image channels to maps, and a card. The image is resized by
``scale`` to working pixels, the brightness of its channels is standardised, and it is cut into
windows where it is larger than ``tile``. The network answers with one tensor of maps, one cell per
``stride`` working pixels:

- ``instances``: the probabilities of background and of each class, and the vector ``(dx, dy)`` from
  the cell to the centre of its object;
- ``boxes``: one centre probability per class, and the distances ``(left, top, right, bottom)`` from
  the cell to the sides of its object.

Vectors and distances are in units of ``object_size`` working pixels.
"""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["instances", "boxes"]
"""What a model finds: masks of single objects, or boxes around them."""

MAX_TILE = 2_048
"""Longest side of a window in working pixels, 16 times the area of the built-in trainer's: four
such windows of three channels are 200 MB before the network has begun."""

Share = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Plain frozen data that ignores what a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class InstanceDecoding(Frozen):
    """How maps become masks."""

    kind: Literal["instances"] = "instances"
    min_score: Share = 0.3
    """Objects below this score are not shown."""
    vote_blur: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation in cells by which votes for a centre are smoothed."""
    valley: Share = 0.6
    """Two heaps of votes from connected cells are one object if between them lies at least this
    share of the lower one; 0 never parts connected cells. Rather high: a fragment too many is
    removed in seconds, of two merged objects both are drawn anew."""
    min_cells: Annotated[int, Field(ge=1)] = 4
    """Objects of fewer cells are dropped."""


class BoxDecoding(Frozen):
    """How maps become boxes."""

    kind: Literal["boxes"] = "boxes"
    min_score: Share = 0.3
    """Objects below this score are not shown."""
    max_overlap: Share = 0.5
    """Of two boxes with a greater IoU the one with the lower score is dropped."""
    max_objects: Annotated[int, Field(ge=1)] = 1_000


class ModelCard(Frozen):
    """What a model is and how to run it; see the module's text for the maps."""

    format: Literal["wakeline-model/1"] = "wakeline-model/1"
    kind: Kind
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the channels in their order, as ``wakeline_images.read_stack`` gives them."""
    mean: tuple[float, ...]
    """Per channel, of its brightness as ``wakeline_models.channels`` has it."""
    std: tuple[Annotated[float, Field(gt=0)], ...]
    """Per channel, of its brightness."""
    scale: Annotated[float, Field(gt=0, le=8)]
    """Working pixels per image pixel."""
    tile: Annotated[int, Field(ge=16, le=MAX_TILE)]
    """Side of the windows in working pixels, a multiple of ``multiple``."""
    overlap: Annotated[int, Field(ge=0)]
    """Working pixels that neighbouring windows share, at least."""
    multiple: Annotated[int, Field(ge=1, le=MAX_TILE)] = 32
    """Sides of windows must divide by this."""
    stride: Annotated[int, Field(ge=1)]
    """Working pixels per cell of the maps."""
    object_size: Annotated[float, Field(gt=0)]
    """Side of a typical object in working pixels: the unit of vectors and distances."""
    decode: Annotated[InstanceDecoding | BoxDecoding, Field(discriminator="kind")]
    digest: str = ""
    """SHA-256 of the ONNX file, in hex."""
    trained_on: str = ""
    """Digest of the dataset version."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.decode.kind != self.kind:
            raise ValueError(f"a model of {self.kind} cannot be decoded as {self.decode.kind}")
        if not len(self.channels) == len(self.mean) == len(self.std):
            raise ValueError("channels, mean and std must be of the same length")
        if self.tile % self.multiple or self.multiple % self.stride:
            raise ValueError("the tile must divide by multiple, and multiple by stride")
        if self.overlap >= self.tile:
            raise ValueError("windows must overlap by less than their side")
        return self

    @property
    def map_count(self) -> int:
        """Number of maps that the network answers with."""
        return len(self.classes) + (3 if self.kind == "instances" else 4)


def digest_of(onnx: bytes) -> str:
    """SHA-256 of a model's bytes, in hex."""
    return hashlib.sha256(onnx).hexdigest()
