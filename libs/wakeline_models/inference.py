"""Running a model: onnxruntime over sliding windows, then shapes in image pixels."""

from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from wakeline_geometry.shapes import Predicted
from wakeline_models import boxes, channels, instances, windows
from wakeline_models.card import BoxDecoding, ModelCard, digest_of
from wakeline_models.channels import Stack
from wakeline_models.errors import ModelError

CUDA = "CUDAExecutionProvider"


class Model:
    """A model that is ready to run. It holds no state between images."""

    def __init__(self, session: onnxruntime.InferenceSession, card: ModelCard) -> None:
        self._session = session
        self.card = card

    @classmethod
    def load(cls, onnx: bytes, card: ModelCard, threads: int = 1) -> Self:
        """Load a model on the GPU where onnxruntime can use one, else on ``threads`` cores.

        Raises
        ------
        ModelError
            ``digest-differs`` if the bytes are not those the card speaks of;
            ``unreadable-model`` if onnxruntime refuses them.
        """
        if digest_of(onnx) != card.digest:
            raise ModelError("digest-differs", "The model's bytes are not those its card names")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        available = onnxruntime.get_available_providers()
        providers = [name for name in (CUDA, "CPUExecutionProvider") if name in available]
        try:
            return cls(onnxruntime.InferenceSession(onnx, options, providers=providers), card)
        except Exception as error:  # onnxruntime's own errors share no base class
            raise ModelError("unreadable-model", f"Not a model that can run: {error}") from error

    def maps(self, stack: Stack, have: tuple[str, ...]) -> windows.Maps:
        """The network's maps of one image, blended over its windows.

        Parameters
        ----------
        stack : float32, shape (H, W, C), in [0, 1]
        have
            Names of the stack's channels.

        Returns
        -------
        float32, shape (M, h, w)
            One cell per ``stride`` working pixels; see ``ModelCard`` for what they mean.

        Raises
        ------
        ModelError
            ``channels-differ`` if the image lacks a channel; ``outputs-differ`` if the network
            does not answer with the maps that its card promises.
        """
        card = self.card
        working = channels.resize(channels.select(stack, have, card.channels), card.scale)
        maps = windows.run(
            self._answer,
            channels.standardise(working, card.mean, card.std),
            tile=card.tile,
            overlap=card.overlap,
            multiple=card.multiple,
            stride=card.stride,
        )
        if maps.shape[0] != card.map_count:
            raise ModelError(
                "outputs-differ", f"The network gives {maps.shape[0]} maps, not {card.map_count}"
            )
        return maps

    def predict(self, stack: Stack, have: tuple[str, ...]) -> list[Predicted]:
        """The objects on one image, best first: masks or boxes in image pixels.

        Parameters and errors are those of ``maps``.
        """
        return decode(self.maps(stack, have), self.card, (stack.shape[0], stack.shape[1]))

    def _answer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        (name,) = (tensor.name for tensor in self._session.get_inputs())
        return np.asarray(self._session.run(None, {name: batch})[0], dtype=np.float32)


def decode(maps: windows.Maps, card: ModelCard, size: tuple[int, int]) -> list[Predicted]:
    """The shapes that maps describe, best first, on an image of ``size`` (height, width)."""
    if isinstance(card.decode, BoxDecoding):
        return boxes.decode(maps, card, card.decode, size)
    return instances.decode(maps, card, card.decode, size)
