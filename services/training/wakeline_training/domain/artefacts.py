"""What a trainer leaves behind, checked before anything of it counts."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from wakeline_events.base import AssetId
from wakeline_geometry.shapes import Predicted
from wakeline_models.card import ModelCard
from wakeline_training.domain.run import Progress, unstorable

DONE = "done.json"
"""Written last: digests of all other artefacts."""
MODEL, CARD = "model.onnx", "card.json"
"""A model may be as large as it likes: it is read chunk by chunk."""
MODEL_FILES = (MODEL, CARD)
"""What a predictor needs."""
METRICS = "metrics.json"
MAX_METRICS = 256 * 1024
"""Bytes: they stand in the run's own document, and in every list of runs."""
PREDICTIONS = "predictions.jsonl"
PROGRESS = "progress.jsonl"
REQUIRED = (*MODEL_FILES, METRICS, PREDICTIONS)
READ = tuple(name for name in REQUIRED if name != MODEL)
"""What is read as a whole."""
_SHAPES = TypeAdapter(tuple[Predicted, ...])


class BadArtefactError(Exception):
    """A trainer said that it was done, but what it left is incomplete or wrong."""

    code: ClassVar[str] = "bad-artefact"


def digests_of(done: bytes) -> dict[str, str]:
    """SHA-256 by file name, as ``done.json`` states them.

    The digests stand under ``artefacts`` or at the top; each is a hex string, or an object with
    ``sha256`` or ``digest``.
    """
    document = _document(done, DONE)
    listed = document.get("artefacts") or document.get("digests") or document
    if not isinstance(listed, dict):
        raise BadArtefactError(f"{DONE} lists no digests")
    digests = {}
    for name in REQUIRED:
        value = listed.get(name)
        if isinstance(value, dict):
            value = value.get("sha256") or value.get("digest")
        if not isinstance(value, str):
            raise BadArtefactError(f"{DONE} names no digest of {name}")
        digests[name] = value
    return digests


def digest_of(content: bytes) -> str:
    """SHA-256 as ``done.json`` states it."""
    return hashlib.sha256(content).hexdigest()


def check_digest(name: str, digest: str, digests: Mapping[str, str]) -> None:
    """Refuse an artefact that is not the one the trainer finished."""
    if digest != digests[name]:
        raise BadArtefactError(f"{name} is not what {DONE} says it is")


def check_card(content: bytes, model: str, classes: Collection[str]) -> None:
    """Refuse a card that prediction cannot run this model by.

    Parameters
    ----------
    model
        SHA-256 of it.
    classes
        What the trainer was told to learn.

    Raises
    ------
    BadArtefactError
    """
    try:
        card = ModelCard.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        why = f"{where}: {first['msg']}".removeprefix(": ")
        raise BadArtefactError(f"{CARD} is no card of a model: {why}") from error
    if card.digest != model:
        raise BadArtefactError(f"{CARD} is of another {MODEL}: its digest is not that of this one")
    if alien := sorted(set(card.classes).difference(classes)):
        there = ", ".join(classes)
        raise BadArtefactError(f"{CARD} has the class {alien[0]!r}; the run has {there}")


def read_metrics(content: bytes) -> dict[str, Any]:
    """The trainer's own figures, for people; the gate measures for itself.

    Raises
    ------
    BadArtefactError
        If they are no object, or one that cannot be kept.
    """
    if len(content) > MAX_METRICS:
        raise BadArtefactError(f"{METRICS} has more than {MAX_METRICS} bytes")
    document = _document(content, METRICS)
    for problem in unstorable(document):
        raise BadArtefactError(f"{METRICS}: {problem}")
    metrics: dict[str, Any] = _finite(document)
    return metrics


def read_predictions(
    content: bytes, holdout: Collection[AssetId]
) -> dict[AssetId, tuple[Predicted, ...]]:
    """The candidate's predictions, one entry for each hold-out asset.

    Raises
    ------
    BadArtefactError
        If an asset is missing, foreign or there twice, or a shape is malformed: a trainer that
        is silent about the assets it does badly on must not pass.
    """
    predictions: dict[AssetId, tuple[Predicted, ...]] = {}
    for line in content.splitlines():
        row = _document(line, PREDICTIONS)
        name = str(row.get("asset_id"))
        if name not in holdout or name in predictions:
            raise BadArtefactError(f"{PREDICTIONS} names {name!r} unasked or twice")
        try:
            predictions[name] = _SHAPES.validate_python(row.get("shapes"))
        except ValidationError as error:
            raise BadArtefactError(f"{PREDICTIONS}, asset {name}: {error}") from error
    if missing := len(holdout) - len(predictions):
        raise BadArtefactError(f"{PREDICTIONS} misses {missing} of {len(holdout)} hold-out assets")
    return predictions


def latest_progress(content: bytes) -> Progress | None:
    """The last whole line of ``progress.jsonl``; None before the first."""
    for line in reversed(content.splitlines()):
        try:
            return Progress.model_validate_json(line)
        except ValidationError:
            continue  # the line that is being written
    return None


def _document(content: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadArtefactError(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadArtefactError(f"{name} is not an object")
    return document


def _finite(value: Any) -> Any:
    """The same without NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
