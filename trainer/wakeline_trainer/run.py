"""One attempt of a training run, from the manifest to the last artefact."""

import hashlib
import signal
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import torch

from wakeline_models.card import ModelCard
from wakeline_trainer.base import load_base
from wakeline_trainer.batches import Batches
from wakeline_trainer.checkpoint import Checkpoints
from wakeline_trainer.contract import BadInputError, RunSettings, json_line, read_manifest
from wakeline_trainer.delivery import blank_card, deliver
from wakeline_trainer.evaluation import CALIBRATED_ON
from wakeline_trainer.losses import BoxLoss, InstanceLoss
from wakeline_trainer.networks import MapNetwork
from wakeline_trainer.preparation import Prepared, prepare
from wakeline_trainer.storage import Storage, below
from wakeline_trainer.training import Budget, Progress, Training

REPORT_EVERY = 2.0
"""Seconds between lines of ``progress.jsonl``."""

EXPORT_SECONDS = 5.0
"""Kept for the export and for writing the artefacts."""

FORWARD = 0.7
"""Cost of predicting a pixel, decoding included, relative to training on it."""


class Attempt:
    """One attempt of a run: its settings, its clock and where it writes."""

    def __init__(self, settings: RunSettings, began: float) -> None:
        """``began``: when the process did, by ``time.monotonic``."""
        self._settings = settings
        self._parameters = settings.parameters
        self._storage = Storage(settings.s3)
        self._began = began
        self._terminated = False
        self._lines: list[str] = []
        self._reported = self._saved = began

    def terminate(self, signal_number: int, frame: FrameType | None) -> None:
        """Note that SIGTERM came: the step in hand is finished and saved first."""
        self._terminated = True

    def run(self) -> None:
        """Train, export, evaluate, write.

        Raises
        ------
        BadInputError
            If the data or the parameters are such that no attempt can succeed.
        TerminatedError
            If SIGTERM came.
        """
        parameters = self._parameters
        device = pick_device(parameters.device)
        signal.signal(signal.SIGTERM, self.terminate)
        torch.set_num_threads(parameters.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.manual_seed(parameters.seed)
        manifest = self._read_manifest()
        dataset = hashlib.sha256(manifest).hexdigest()
        with tempfile.TemporaryDirectory(prefix="wakeline-trainer-") as scratch:
            base = load_base(self._storage, None if parameters.fresh else self._settings.base_uri)
            data = prepare(self._storage, parameters, read_manifest(manifest), Path(scratch), base)
            card = blank_card(data, parameters, dataset)
            training = self._training(data, card, device)
            network = self._train(training, data, dataset)
            self._report(training.progress)
            outcome = deliver(self._storage, network, card, data, parameters.threads)
        progress = training.progress
        metrics = outcome.metrics | {
            "steps": progress.step,
            "stopped": progress.stopped,
            "loss": progress.loss,
            "device": device.type,
            "began_with": data.base.card.digest if data.base else None,
            "seconds": round(time.monotonic() - self._began, 3),
            "plan": asdict(data.plan),
        }
        artefacts = outcome.artefacts | {
            "metrics.json": json_line(metrics).encode(),
            "progress.jsonl": "".join(self._lines).encode(),
        }
        for name, content in artefacts.items():
            self._write(name, content)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in artefacts.items()}
        self._write("done.json", json_line({"artefacts": digests}).encode())

    def _read_manifest(self) -> bytes:
        try:
            return self._storage.read(self._settings.dataset_uri)
        except FileNotFoundError as error:
            raise BadInputError(f"No manifest is at {self._settings.dataset_uri}") from error

    def _training(self, data: Prepared, card: ModelCard, device: torch.device) -> Training:
        parameters, plan, classes = self._parameters, data.plan, len(card.classes)
        masks = card.kind == "instances"
        network = MapNetwork(card.kind, len(card.channels), classes)
        warm = data.base is not None and data.base.put_into(network)
        return Training(
            network,
            InstanceLoss(torch.tensor(plan.class_weights, device=device)) if masks else BoxLoss(),
            Batches(data.samples, plan, card.kind, classes, parameters.seed),
            device,
            Progress(of=parameters.steps, warm=warm),
        )

    def _train(self, training: Training, data: Prepared, dataset: str) -> torch.nn.Module:
        began_with = data.base.card.digest if data.base else "nothing"
        fingerprint = f"{dataset} {self._parameters.model_dump_json()} {began_with}"
        checkpoints = Checkpoints(self._storage, self._settings.checkpoint_uri, fingerprint)
        checkpoints.resume(training)

        def after_step(progress: Progress) -> None:
            now = time.monotonic()
            if now - self._reported >= REPORT_EVERY:
                self._report(progress)
            if now - self._saved >= self._parameters.save_every or self._terminated:
                checkpoints.save(training)
                self._saved = now

        return training.run(self._budget(data), after_step, lambda: self._terminated)

    def _budget(self, data: Prepared) -> Budget:
        predicted = data.train[:CALIBRATED_ON] + data.holdout
        pixels = sum(asset.width * asset.height for asset in predicted) * data.plan.scale**2
        spent = time.monotonic() - self._began
        return Budget(
            seconds=self._parameters.max_seconds - spent - EXPORT_SECONDS,
            after=FORWARD * pixels / data.plan.step_pixels,
        )

    def _report(self, progress: Progress) -> None:
        line = {
            "step": progress.step,
            "of": progress.of,
            "loss": round(progress.loss, 4),
            "at": datetime.now(UTC).isoformat(),
        }
        self._lines.append(json_line(line))
        self._write("progress.jsonl", "".join(self._lines).encode())
        self._reported = time.monotonic()

    def _write(self, name: str, content: bytes) -> None:
        self._storage.write(below(self._settings.output_uri, name), content)


def pick_device(wanted: str) -> torch.device:
    """The GPU where there is one and nobody said otherwise; BadInputError if it is missing."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BadInputError("The parameters ask for the device cuda, but there is none here")
    return torch.device(wanted)
