"""Small projects, assets and slots for the tests of labeling's rules."""

from datetime import UTC, datetime
from typing import Any

from wakeline_events.base import Asset
from wakeline_events.configuration import ProjectDocument
from wakeline_labeling.domain.opening import Terms
from wakeline_labeling.domain.records import Project, Stage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = b"a secret of the tests"


def document(**stage: Any) -> ProjectDocument:
    """A project with one stage."""
    return ProjectDocument.model_validate(
        {
            "project": "field",
            "datasets": ["crops"],
            "ontology": {
                "classes": [
                    {
                        "name": "weed",
                        "kinds": ["box", "mask"],
                        "attributes": [
                            {"name": "leaves", "kind": "number"},
                            {"name": "stage", "choices": ["young", "old"], "required": True},
                        ],
                    },
                    {"name": "crop", "kinds": ["polygon"]},
                ]
            },
            "stages": [
                {
                    "name": "weeds",
                    "team": "botanists",
                    "predictors": [{"name": "heuristic.ndvi"}],
                    "holdout_share": 0.2,
                    "control_share": 0.25,
                    **stage,
                }
            ],
        }
    )


def stage(**policy: Any) -> Stage:
    """The stage of that project."""
    project = Project(id="field", version=3, ontology_version=2, document=document(**policy))
    return Stage(project, 0)


def terms(*, paired: bool = False, presumed: tuple[str, ...] = ()) -> Terms:
    """What holds when tasks are opened."""
    return Terms(SECRET, paired, {"crops": presumed}, NOW)


def asset(number: int, group: str | None = None) -> Asset:
    """An asset of the dataset ``crops``."""
    digest = f"{number:064x}"
    return Asset(
        asset_id=f"crops:{digest}",
        dataset_id="crops",
        digest=digest,
        width=100,
        height=80,
        group=group or f"g{number}",
        image=digest,
    )
