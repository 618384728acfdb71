"""Stages that another stage's model answers for."""

from typing import Any

import pytest
from pydantic import ValidationError

from wakeline_events.configuration import PredictorChoice, ProjectDocument
from wakeline_labeling.domain import relations


def project(name: str, *classes: str, **related: dict[str, Any] | str) -> ProjectDocument:
    """Each stage is related to the stage, or is the choice, that stands beside its name."""
    choices = {
        stage: ({"stage": to} if isinstance(to, str) else to) for stage, to in related.items()
    }
    return ProjectDocument.model_validate(
        {
            "project": name,
            "datasets": ["harbour"],
            "ontology": {"classes": [{"name": word, "kinds": ["box"]} for word in classes]},
            "stages": [
                {
                    "name": stage,
                    "team": "crew",
                    "predictors": [{"name": "related", **choice}] if choice else [],
                }
                for stage, choice in choices.items()
            ],
        }
    )


def problems(document: ProjectDocument, *others: ProjectDocument) -> list[str]:
    return relations.problems_of(document, {each.project: each for each in (document, *others)})


WAKES = project("wakes", "wake", "boat", mark={})


def test_a_stage_may_be_related_to_one_of_another_project_and_of_its_own() -> None:
    mapped = {"stage": "wakes/mark", "classes": {"wake": "ship"}}
    ships = project("ships", "ship", find=mapped, again="ships/find")
    assert problems(ships, WAKES) == []
    assert relations.projects_of(ships) == {"wakes", "ships"}


@pytest.mark.parametrize("stage", ["wakes/sort", "nowhere/mark"])
def test_a_stage_that_is_not_there_is_refused(stage: str) -> None:
    (problem,) = problems(project("ships", "wake", find=stage), WAKES)
    assert f"{stage!r}, which does not exist" in problem


def test_classes_must_be_theirs_and_ours() -> None:
    classes = {"wave": "ship", "wake": "vessel"}
    ships = project("ships", "ship", find={"stage": "wakes/mark", "classes": classes})
    theirs, ours = problems(ships, WAKES)
    assert "has no class wave: it has wake, boat" in theirs
    assert "no class vessel: it has ship" in ours


def test_without_a_mapping_a_class_must_be_the_same() -> None:
    assert problems(project("ships", "boat", "ship", find="wakes/mark"), WAKES) == []
    (problem,) = problems(project("ships", "ship", find="wakes/mark"), WAKES)
    assert "say in `classes`" in problem


def test_a_circle_is_refused_however_long() -> None:
    (itself,) = problems(project("a", "x", s="a/s"))
    assert "a/s to a/s" in itself
    far = project("b", "x", s="c/s"), project("c", "x", s="a/s")
    (round_trip,) = problems(project("a", "x", s="b/s"), *far)
    assert "a/s to b/s to c/s to a/s" in round_trip


def test_a_circle_of_others_is_theirs() -> None:
    others = project("b", "x", s="c/s"), project("c", "x", s="b/s")
    assert problems(project("a", "x", s="b/s"), *others) == []


@pytest.mark.parametrize(
    "choice",
    [
        {"name": "related"},
        {"name": "own", "stage": "a/s"},
        {"name": "related", "stage": "s"},
        {"name": "own", "classes": {"a": "b"}},
    ],
)
def test_only_related_names_a_stage_and_it_must(choice: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PredictorChoice.model_validate(choice)
