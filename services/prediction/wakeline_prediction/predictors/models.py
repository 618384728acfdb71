"""``own`` and ``related``: models that people's labels made, as the registry holds them."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from pydantic import ValidationError

from wakeline_blobs import BlobMissingError, Blobs
from wakeline_events.configuration import ModelParameters, problems_of
from wakeline_models.card import ModelCard
from wakeline_models.errors import ModelError
from wakeline_models.inference import Model
from wakeline_prediction.archive import patiently
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.domain.errors import CannotAnswerError, PredictorRefusedError
from wakeline_prediction.ports import Question, Result

MODELS = "models"
ONNX = "model.onnx"
CARD = "card.json"
TRUSTED_SECONDS = 1.0
"""For so long a model in memory is used without a look at the registry."""


class Models:
    """Answers with models. Which one is the candidate's business."""

    def __init__(self, shelf: "ModelShelf") -> None:
        self._shelf = shelf

    async def predict(self, question: Question) -> Result:
        """Run the model on the picture, in a thread.

        Raises
        ------
        CannotAnswerError
            ``channels-differ`` if the picture lacks a channel that the model wants.
        PredictorRefusedError
            If the model is not there, cannot run, or is not the one that its card speaks of;
            ``invalid-parameters``: the stage sets something that models do not know.
        """
        least = _least_score(question.candidate)
        key = question.candidate.artefact_key
        if key is None:
            raise CannotAnswerError("no-model", "no model serves this stage")
        model = await self._shelf.get(key)
        picture = await question.picture()
        try:
            shapes = await asyncio.to_thread(model.predict, picture.stack, picture.channels)
        except ModelError as error:
            if error.code == "channels-differ":
                raise CannotAnswerError(error.code, error.message) from error
            raise PredictorRefusedError(error.code, error.message) from error
        return Result(tuple(shape for shape in shapes if shape.score >= least))


def _least_score(candidate: Candidate) -> float:
    try:
        return ModelParameters.model_validate(candidate.parameters).least_score
    except ValidationError as error:
        reason = f"{candidate.predictor}: {problems_of(error)}"
        raise PredictorRefusedError("invalid-parameters", reason) from error


@dataclass
class _Held:
    """A model in memory, or why it cannot be had, with the objects it was made of."""

    etags: tuple[str, str]
    model: Model | PredictorRefusedError
    checked_at: float


class ModelShelf:
    """The models in memory, the ones used last.

    A model stays what the registry holds: its objects are looked at every second while it is in
    use, and read again if they changed. Bytes that are not those of the card are refused, so
    changed weights show as failed predictions or, with a card of their own, as other ones; never
    as a model that quietly goes on.
    """

    def __init__(self, blobs: Blobs, size: int, threads: int = 1) -> None:
        self._blobs = blobs
        self._size = size
        self._threads = threads
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = asyncio.Lock()

    async def get(self, artefact_key: str) -> Model:
        """The model under a prefix of the registry; waits for a store that is away.

        Raises
        ------
        PredictorRefusedError
            ``model-missing``, ``card-unreadable``, or a code of ``ModelError``.
        """
        prefix = artefact_key if artefact_key.endswith("/") else f"{artefact_key}/"
        # One at a time: the second of two that want the same model finds it in memory.
        async with self._lock:
            held = self._held.get(prefix)
            if held is None or time.monotonic() - held.checked_at > TRUSTED_SECONDS:
                held = await self._look(prefix, held)
        if isinstance(held.model, PredictorRefusedError):
            raise PredictorRefusedError(held.model.code, str(held.model))
        return held.model

    async def _look(self, prefix: str, held: _Held | None) -> _Held:
        try:
            etags = await self._etag(prefix + ONNX), await self._etag(prefix + CARD)
            if held is None or held.etags != etags:
                held = _Held(etags, await self._load(prefix), 0.0)
        except BlobMissingError as error:
            missing = PredictorRefusedError("model-missing", str(error))
            held = _Held(("", ""), missing, 0.0)
        held.checked_at = time.monotonic()
        self._held[prefix] = held
        self._held.move_to_end(prefix)
        while len(self._held) > self._size:
            self._held.popitem(last=False)
        return held

    async def _etag(self, key: str) -> str:
        return (await patiently(lambda: self._blobs.stat(MODELS, key))).etag

    async def _load(self, prefix: str) -> Model | PredictorRefusedError:
        onnx = await patiently(lambda: self._blobs.get(MODELS, prefix + ONNX))
        document = await patiently(lambda: self._blobs.get(MODELS, prefix + CARD))
        try:
            card = ModelCard.model_validate_json(document)
            return await asyncio.to_thread(Model.load, onnx, card, self._threads)
        except ValidationError as error:
            problems = f"{prefix}{CARD}: {error.error_count()} problems"
            return PredictorRefusedError("card-unreadable", problems)
        except ModelError as error:
            return PredictorRefusedError(error.code, f"{prefix}: {error.message}")
