"""One attempt of a training run, from the manifest to the last artefact."""

import hashlib
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import numpy as np
import torch

from wakeline_geometry.shapes import Predicted
from wakeline_models.card import BoxDecoding, InstanceDecoding, ModelCard, digest_of
from wakeline_models.channels import Stack
from wakeline_models.inference import Model
from wakeline_trainer import evaluation, export
from wakeline_trainer.batches import Batches
from wakeline_trainer.checkpoint import Checkpoints
from wakeline_trainer.contract import (
    Asset,
    BadInputError,
    RunSettings,
    json_line,
    read_manifest,
)
from wakeline_trainer.data import (
    Sample,
    Statistics,
    common_channels,
    in_channels,
    load_stack,
    make_sample,
    measure,
    on_disk,
    statistics,
)
from wakeline_trainer.losses import BoxLoss, InstanceLoss
from wakeline_trainer.networks import CardMaps, MapNetwork
from wakeline_trainer.plan import MULTIPLE, Plan, plan
from wakeline_trainer.storage import Storage, below
from wakeline_trainer.training import Progress, Training

REPORT_EVERY = 2.0
"""Seconds between lines of ``progress.jsonl``."""

SAVE_EVERY = 10.0
"""Seconds between checkpoints."""

CALIBRATED_ON = 12
"""Training images on which the least score is chosen, at most."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data of a run, ready to train on."""

    train: list[Asset]
    holdout: list[Asset]
    channels: tuple[str, ...]
    levels: Statistics
    plan: Plan


class Attempt:
    """One attempt of a run: its settings, its clock and where it writes."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._parameters = settings.parameters
        self._storage = Storage(settings.s3)
        self._began = time.monotonic()
        self._terminated = False
        self._progress: list[str] = []

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
        signal.signal(signal.SIGTERM, self.terminate)
        torch.set_num_threads(self._parameters.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.manual_seed(self._parameters.seed)
        manifest = self._read_manifest()
        with tempfile.TemporaryDirectory(prefix="wakeline-trainer-") as scratch:
            data, samples = self._prepare(read_manifest(manifest), Path(scratch))
            training, network = self._train(data, samples, hashlib.sha256(manifest).hexdigest())
            print("t trained", time.monotonic() - self._began)
            self._deliver(data, samples, training, network, hashlib.sha256(manifest).hexdigest())
            print("t delivered", time.monotonic() - self._began)

    def _read_manifest(self) -> bytes:
        try:
            return self._storage.read(self._settings.dataset_uri)
        except FileNotFoundError as error:
            raise BadInputError(f"No manifest is at {self._settings.dataset_uri}") from error

    def _prepare(self, assets: Sequence[Asset], scratch: Path) -> tuple[Prepared, list[Sample]]:
        parameters = self._parameters
        train = [asset for asset in assets if asset.split == "train"]
        holdout = [asset for asset in assets if asset.split == "holdout"]
        objects = measure(train, parameters.classes)
        if not objects:
            raise BadInputError("No training asset has an annotation to learn from")
        made = plan(
            parameters.kind,
            len(parameters.classes),
            objects,
            [asset.size for asset in train],
            parameters.scale,
        )
        stacks = [(asset, *load_stack(self._storage, asset)) for asset in train]
        channels = common_channels(have for _, _, have in stacks)
        levels = statistics(in_channels(s, have, channels, a) for a, s, have in stacks)
        samples = list(
            on_disk(
                (
                    make_sample(
                        in_channels(s, have, channels, a), a, parameters.classes, made.scale, levels
                    )
                    for a, s, have in stacks
                ),
                scratch,
            )
        )
        print(made, channels, "t prepared", time.monotonic() - self._began)
        return Prepared(train, holdout, channels, levels, made), samples

    def _train(
        self, data: Prepared, samples: Sequence[Sample], dataset: str
    ) -> tuple[Training, torch.nn.Module]:
        parameters, made = self._parameters, data.plan
        classes = len(parameters.classes)
        device = pick_device(parameters.device)
        network = MapNetwork(len(data.channels), classes + 4, made.stride)
        loss = (
            InstanceLoss(torch.tensor(made.class_weights, device=device))
            if parameters.kind == "instances"
            else BoxLoss()
        )
        batches = Batches(samples, made, parameters.kind, classes, parameters.seed)
        training = Training(network, loss, batches, device, Progress(of=parameters.steps))
        fingerprint = f"{dataset} {parameters.model_dump_json()}"
        checkpoints = Checkpoints(self._storage, self._settings.checkpoint_uri, fingerprint)
        checkpoints.resume(training)
        spent = time.monotonic() - self._began
        budget = parameters.max_seconds - spent - self._reserve(data)
        last = {"report": 0.0, "save": time.monotonic()}

        def after_step(progress: Progress) -> None:
            now = time.monotonic()
            if now - last["report"] >= REPORT_EVERY:
                last["report"] = now
                self._report(progress)
            if now - last["save"] >= SAVE_EVERY or self._terminated:
                last["save"] = now
                checkpoints.save(training)

        average = training.run(budget, after_step, lambda: self._terminated)
        return training, average

    def _reserve(self, data: Prepared) -> float:
        return 8.0

    def _report(self, progress: Progress) -> None:
        line = {
            "step": progress.step,
            "of": progress.of,
            "loss": round(progress.loss, 4),
            "at": datetime.now(UTC).isoformat(),
        }
        self._progress.append(json_line(line))
        self._write("progress.jsonl", "".join(self._progress).encode())

    def _deliver(
        self,
        data: Prepared,
        samples: Sequence[Sample],
        training: Training,
        network: torch.nn.Module,
        dataset: str,
    ) -> None:
        card = self._card(data, dataset)
        maps = CardMaps(network, card.kind, len(card.classes))
        onnx = export.to_onnx(maps, card)
        card = card.model_copy(update={"digest": digest_of(onnx)})
        difference = export.largest_difference(maps, onnx, window_of(samples[0], card))
        model = Model.load(onnx, card, self._parameters.threads)
        seen = data.train[:: max(1, len(data.train) // CALIBRATED_ON)]
        score = evaluation.least_score(
            card.kind, [(asset, self._predict(model, asset)) for asset in seen]
        )
        print("least score", score, time.monotonic() - self._began)
        card = card.model_copy(
            update={"decode": card.decode.model_copy(update={"min_score": score})}
        )
        model = Model.load(onnx, card, self._parameters.threads)
        predictions = [(asset, self._predict(model, asset)) for asset in data.holdout]
        metrics = {
            "holdout": evaluation.holdout_metrics(
                [evaluation.match(asset, shapes) for asset, shapes in predictions]
            ),
            "steps": training.progress.step,
            "seconds": round(time.monotonic() - self._began, 3),
            "device": training.device.type,
            "onnx_max_difference": difference,
            "loss": training.progress.loss,
            "plan": asdict(data.plan),
        }
        self._report(training.progress)
        artefacts = {
            "model.onnx": onnx,
            "card.json": card.model_dump_json(indent=1).encode(),
            "metrics.json": json_line(metrics).encode(),
            "predictions.jsonl": "".join(
                json_line(
                    {
                        "asset_id": asset.asset_id,
                        "shapes": [shape.model_dump(mode="json") for shape in shapes],
                    }
                )
                for asset, shapes in predictions
            ).encode(),
        }
        for name, content in artefacts.items():
            self._write(name, content)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in artefacts.items()}
        self._write("done.json", json_line({"artefacts": digests}).encode())

    def _card(self, data: Prepared, dataset: str) -> ModelCard:
        made, kind = data.plan, self._parameters.kind
        decode = (
            InstanceDecoding(
                min_score=min(evaluation.SCORES),
                peak_radius=made.peak_radius,
                min_cells=made.min_cells,
            )
            if kind == "instances"
            else BoxDecoding(min_score=min(evaluation.SCORES))
        )
        return ModelCard(
            kind=kind,
            classes=self._parameters.classes,
            channels=data.channels,
            mean=data.levels.mean,
            std=data.levels.std,
            scale=made.scale,
            tile=made.tile,
            overlap=made.overlap,
            multiple=MULTIPLE,
            stride=made.stride,
            object_size=made.object_size,
            decode=decode,
            trained_on=dataset,
        )

    def _predict(self, model: Model, asset: Asset) -> list[Predicted]:
        stack, have = load_stack(self._storage, asset)
        return model.predict(
            in_channels(stack, have, model.card.channels, asset), model.card.channels
        )

    def _write(self, name: str, content: bytes) -> None:
        self._storage.write(below(self._settings.output_uri, name), content)


def pick_device(wanted: str) -> torch.device:
    """The GPU where there is one and nobody said otherwise."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BadInputError("The parameters ask for the device cuda, but there is none here")
    return torch.device(wanted)


def window_of(sample: Sample, card: ModelCard) -> Stack:
    """The first window of a training image, to compare torch with onnxruntime on."""
    height, width = (
        min(card.tile, -(-side // card.multiple) * card.multiple) for side in sample.image.shape[1:]
    )
    window = np.zeros((sample.image.shape[0], height, width), np.float32)
    part = sample.image[:, :height, :width]
    window[:, : part.shape[1], : part.shape[2]] = part
    return window
