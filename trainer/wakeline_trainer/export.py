"""From a trained network to the bytes of an ONNX file, checked against the network itself."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from wakeline_models.card import ModelCard

OPSET = 17


def to_onnx(network: nn.Module, card: ModelCard) -> bytes:
    """Export a network that answers as its card says, for any batch and any size of window."""
    side = card.multiple * 2
    example = torch.zeros(1, len(card.channels), side, side)
    sizes = {0: "batch", 2: "height", 3: "width"}
    with tempfile.TemporaryDirectory(prefix="wakeline-export-") as folder, quiet():
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network.cpu().eval(),
            (example,),
            path,
            input_names=["image"],
            output_names=["maps"],
            dynamic_axes={"image": sizes, "maps": sizes},
            opset_version=OPSET,
            dynamo=False,
        )
        return path.read_bytes()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's remarks about itself off the log; that it is right is checked below."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def largest_difference(network: nn.Module, onnx: bytes, window: NDArray[np.float32]) -> float:
    """The largest difference between the maps of torch and of onnxruntime on a real window.

    Parameters
    ----------
    window : float32, shape (C, h, w)
    """
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network.cpu().eval()(torch.from_numpy(window[None])).numpy()
    (maps,) = session.run(None, {"image": window[None]})
    return float(np.abs(maps - expected).max())
