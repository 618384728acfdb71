"""What a run needs to go on where it, or an attempt before it, was ended."""

import io
from dataclasses import asdict
from typing import Any

import torch

from wakeline_trainer.storage import Storage, below
from wakeline_trainer.training import Progress, Training

NAME = "checkpoint.pt"


class Checkpoints:
    """The latest checkpoint of a run, shared by its attempts.

    ``fingerprint`` names what is trained on what: a checkpoint of anything else is not taken up.
    """

    def __init__(self, storage: Storage, prefix: str, fingerprint: str) -> None:
        self._storage = storage
        self._uri = below(prefix, NAME)
        self._fingerprint = fingerprint

    def save(self, training: Training) -> None:
        """Replace the checkpoint."""
        buffer = io.BytesIO()
        torch.save(
            {
                "fingerprint": self._fingerprint,
                "progress": asdict(training.progress),
                "network": training.network.state_dict(),
                "average": training.average.state_dict(),
                "optimizer": training.optimizer.state_dict(),
            },
            buffer,
        )
        self._storage.write(self._uri, buffer.getvalue())

    def resume(self, training: Training) -> bool:
        """Take up the checkpoint, and say whether there was one."""
        try:
            data = self._storage.read(self._uri)
        except FileNotFoundError:
            return False
        state: dict[str, Any] = torch.load(
            io.BytesIO(data), map_location=training.device, weights_only=True
        )
        if state["fingerprint"] != self._fingerprint:
            return False
        training.progress = Progress(**state["progress"])
        training.network.load_state_dict(state["network"])
        training.average.load_state_dict(state["average"])
        training.optimizer.load_state_dict(state["optimizer"])
        return True
