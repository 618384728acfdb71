"""What one turn of the loop publishes, in a small world: images, labels, a model, predictions."""

import json
from pathlib import Path
from typing import Any

from wakeline_events.base import Event
from wakeline_events.registry import BY_TYPE

EXAMPLES = Path(__file__).parents[3] / "schemas" / "events"
ASSETS = 5
VERSION = "f" * 64
RUN = "5eceb4d24c54994b1f0eb9f0"
MODEL = f"{RUN}.1"
LATER = ASSETS
"""The number of an image that only the model saw, and was shown to a person."""


def example(event_type: str, **changes: Any) -> Event:
    """The stored example of a type, changed."""
    stored = json.loads((EXAMPLES / event_type / "examples" / "full.json").read_text())
    return BY_TYPE[event_type].model_validate(stored | changes)


def digest(number: int) -> str:
    """SHA-256 of an image's bytes, as it were."""
    return f"{number + 1:064x}"[::-1]


def asset_id(number: int) -> str:
    """An asset of the dataset ``fields``."""
    return f"fields:{digest(number)}"


def task_id(number: int) -> str:
    """The one task of an asset."""
    return f"{digest(number)[:8]}{number:016x}"


def label_id(number: int) -> str:
    """The one label of an asset."""
    return f"{task_id(number)}.0.1"


def prediction_id(number: int) -> str:
    """The prediction that was shown for an asset."""
    return f"{digest(number)[:8]}-prediction-{number}"


def _asset(number: int) -> dict[str, Any]:
    return {
        "asset_id": asset_id(number),
        "dataset_id": "fields",
        "digest": digest(number),
        "width": 64,
        "height": 48,
        "group": f"g{number}",
        "image": f"fields/{number}",
    }


def labeled(number: int, predictor: str = "heuristic.ndvi", version: str = "1") -> list[Event]:
    """An image comes, is predicted, labeled by ``p-ann`` and accepted by ``p-eve``."""
    about: dict[str, Any] = {"asset_id": asset_id(number), "asset": _asset(number)}
    task = {"task_id": task_id(number), "stage_id": "weeds/outline", "project_id": "weeds"}
    label = {"label_id": label_id(number), "slot": 0, "round": 1, **task, **about}
    pinned = {
        "prediction_id": prediction_id(number),
        "predictor": predictor,
        "predictor_version": version,
        "serving_epoch": 1,
        "shown": True,
    }
    return [
        example("asset.ingested", **about, parent=None),
        example("task.opened", **about, **task),
        example(
            "prediction.completed",
            **about,
            **task,
            prediction_id=prediction_id(number),
            predictor=predictor,
            predictor_version=version,
        ),
        example(
            "label.completed",
            **label,
            lease_id=label_id(number),
            prelabel=pinned,
            person_id="p-ann",
            team_id="crew",
        ),
        example("task.closed", **about, **task),
        example("label.accepted", **label, merged_from=[label_id(number)], reviewer_id="p-eve"),
    ]


def turn() -> list[Event]:
    """A whole turn: five images train a model, which is shown for a sixth."""
    stage = {"stage_id": "weeds/outline"}
    run = {**stage, "run_id": RUN, "dataset_version": VERSION, "attempt": 1}
    events = [
        example("team.configured", team_id="crew"),
        example("project.configured"),
        *(event for number in range(ASSETS) for event in labeled(number)),
        example(
            "dataset.frozen",
            **stage,
            dataset_version=VERSION,
            dataset_ids=["fields"],
            manifest_key=f"{VERSION}/manifest.jsonl",
        ),
        example("training.started", **run),
        example("model.trained", **run, model_version=MODEL, base_model_version=None),
        example("model.published", **stage, model_version=MODEL, published_by=None),
        *labeled(LATER, "own", MODEL),
    ]
    return events


def manifest() -> bytes:
    """What the dataset version holds: the labels of the first five images, and a benchmark."""
    rows: list[dict[str, Any]] = [
        {"asset_id": asset_id(n), "label_id": label_id(n)} for n in range(ASSETS)
    ]
    rows.append({"asset_id": "fields:trusted", "label_id": None})
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
