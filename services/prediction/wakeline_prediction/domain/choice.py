"""Who may answer for a target, in which order, and when an answer is outdated."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from wakeline_events.base import StageId
from wakeline_events.configuration import PredictorChoice
from wakeline_events.shapes import PredictionSet
from wakeline_geometry.shapes import AttributeValue
from wakeline_prediction.domain.records import Serving, ServingModel, Stage, Target

EXTERNAL = "external"
OWN = "own"
RELATED = "related"
UNKNOWN_UNCERTAINTY = 1.0
"""A target that nobody has answered for goes before all others of its priority."""


class Candidate(BaseModel):
    """A predictor that may answer for one target, with all that its answer depends on."""

    model_config = ConfigDict(frozen=True)
    predictor: str
    version: str
    parameters: dict[str, AttributeValue] = {}
    classes: dict[str, str] = {}
    """Its class -> the ontology's; empty where it knows the ontology's own."""
    artefact_key: str | None = None
    """Of the model, if it is one."""
    model_version: str | None = None
    """Of a model that is not the stage's own."""
    upload: str | None = None
    """Id of the upload, if it is one."""

    @property
    def adapter(self) -> str:
        """Which adapter of the predictor port answers for it."""
        return EXTERNAL if self.upload is not None else self.predictor


def candidates(
    stage: Stage, servings: Mapping[StageId, Serving], target: Target, rules: Mapping[str, str]
) -> tuple[Candidate, ...]:
    """Who may answer, first choice first: the order of the stage's list, nothing else.

    ``own`` stands for the model that serves, if one does, and ``related`` for the one that serves
    the stage it names; ``external.<name>`` for what was uploaded under that name, and
    ``external`` for anything uploaded, the latest first.

    Parameters
    ----------
    servings : what serves each stage of ``stage.served_by``
    rules : version of each rule by name
    """
    found: list[Candidate] = []
    for choice in stage.predictors:
        if choice.name in (OWN, RELATED):
            model = servings[choice.stage or stage.id].model
            if model is not None:
                found.append(_model(choice, model))
        elif choice.name in rules:
            found.append(
                Candidate(
                    predictor=choice.name,
                    version=version_with(rules[choice.name], choice.parameters),
                    parameters=choice.parameters,
                )
            )
        else:
            found += [
                Candidate(predictor=upload.predictor, version=upload.version, upload=upload.id)
                for upload in reversed(target.uploads)
                if choice.name in (EXTERNAL, upload.predictor)
            ]
    first: dict[tuple[str, str | None], Candidate] = {}
    for candidate in found:
        first.setdefault((candidate.predictor, candidate.artefact_key), candidate)
    return tuple(first.values())


def _model(choice: PredictorChoice, model: ServingModel) -> Candidate:
    mapping = {"classes": choice.classes} if choice.classes else {}
    return Candidate(
        predictor=choice.name,
        version=version_with(model.version, {**choice.parameters, **mapping}),
        parameters=choice.parameters,
        classes=choice.classes,
        artefact_key=model.artefact_key,
        model_version=model.version if choice.stage is not None else None,
    )


def basis(stage: Stage, serving: Serving, chosen: tuple[Candidate, ...]) -> str:
    """Digest of all that an answer depends on beside the asset itself.

    Two answers of one basis are equal, so whoever made the second one may throw it away; an
    answer of another basis than today's is outdated.
    """
    value = {
        "epoch": serving.epoch,
        "candidates": [candidate.model_dump(mode="json") for candidate in chosen],
        "ontology": stage.ontology.model_dump(mode="json"),
    }
    return _digest(value)[:32]


def version_with(version: str, settings: Mapping[str, object]) -> str:
    """The version of a predictor with what a stage sets: another setting is another predictor."""
    if not settings:
        return version
    return f"{version}+{_digest(dict(settings))[:8]}"


def accepts_upload(predictors: tuple[PredictorChoice, ...], predictor: str) -> bool:
    """Whether a stage lists ``external`` or this very predictor."""
    return any(choice.name in (EXTERNAL, predictor) for choice in predictors)


def urgency(priority: int, uncertainty: float | None) -> int:
    """The priority of a job: by the task's priority, then by how little is known of the asset.

    Parameters
    ----------
    uncertainty : in [0, 1]; None where nobody has answered yet
    """
    doubt = UNKNOWN_UNCERTAINTY if uncertainty is None else uncertainty
    return priority * 1_001 + round(1_000 * doubt)


def target_id(stage_id: StageId, asset_id: str) -> str:
    """The id of the one target that an asset is at a stage, whether or not it has a task."""
    return f"{stage_id}|{asset_id}"


def prediction_id(task_id: str, epoch: int, candidate: Candidate, shapes: PredictionSet) -> str:
    """The id of a prediction: equal for equal answers of one epoch, so that none counts twice."""
    named = (task_id, epoch, candidate.predictor, candidate.version)
    return _digest([*named, shapes.model_dump(mode="json")])[:24]


def upload_id(
    target: str,
    predictor: str,
    version: str,
    shapes: Mapping[str, Any],
    uncertainty: float | None,
) -> str:
    """The id of an upload, which names its content: sent again, it is the same one.

    Parameters
    ----------
    shapes : a ``PredictionSet`` in JSON's types
    """
    return _digest([target, predictor, version, uncertainty, shapes])[:32]


def _digest(value: object) -> str:
    document = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(document).hexdigest()
