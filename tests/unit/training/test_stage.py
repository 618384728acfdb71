"""Triggers, publishes and rollbacks of a stage."""

from typing import Any

import pytest

from wakeline_events.configuration import Ontology, StagePolicy
from wakeline_training.domain.run import (
    LONGEST_SECONDS,
    problems_of_parameters,
    run_id_of,
    trainer_parameters,
)
from wakeline_training.domain.stage import (
    AlreadyServesError,
    NothingServesError,
    Stage,
    TrainingNotConfiguredError,
)

ONTOLOGY = Ontology.model_validate(
    {
        "classes": [
            {"name": "weed", "kinds": ["mask", "polygon"]},
            {"name": "stem", "kinds": ["point"]},
            {"name": "scene", "kinds": ["classification"]},
        ]
    }
)


def stage(trigger: int = 3, trainer: str | None = "instances") -> Stage:
    training = trainer and {
        "trainer": trainer,
        "trigger_labels": trigger,
        "parameters": {"scale": 0.5, "seed": 1},
    }
    policy = StagePolicy.model_validate({"name": "outline", "team": "t", "training": training})
    return Stage(
        stage_id="p/outline",
        project_id="p",
        dataset_ids=("d",),
        policy=policy,
        ontology=ONTOLOGY,
    )


def labeled(stage: Stage, times: int) -> Stage:
    for _ in range(times):
        stage = stage.with_label()
    return stage


def test_a_run_is_due_after_as_many_labels_as_the_policy_says() -> None:
    assert not labeled(stage(3), 2).is_due
    assert labeled(stage(3), 3).is_due


def test_an_active_run_holds_the_next_one_back_until_it_ends() -> None:
    busy = labeled(labeled(stage(3), 3).with_run("r1"), 3)
    assert not busy.is_due
    assert busy.without_run().is_due


def test_labels_that_the_freeze_took_in_do_not_trigger_again() -> None:
    busy = labeled(labeled(stage(3), 3).with_run("r1"), 3)
    assert not busy.frozen_at(5).without_run().is_due


def test_without_a_trigger_or_a_trainer_nothing_is_ever_due() -> None:
    assert not labeled(stage(0), 50).is_due
    assert not labeled(stage(trainer=None), 50).is_due
    with pytest.raises(TrainingNotConfiguredError):
        _ = stage(trainer=None).training


def test_every_publish_and_rollback_raises_the_epoch() -> None:
    served = stage().published("m1").published("m2").published("m3")
    assert (served.serving, served.earlier, served.serving_epoch) == ("m3", ("m1", "m2"), 3)
    back = served.rolled_back()
    assert (back.serving, back.earlier, back.serving_epoch) == ("m2", ("m1",), 4)
    none = back.rolled_back().rolled_back()
    assert (none.serving, none.earlier, none.serving_epoch) == (None, (), 6)
    with pytest.raises(NothingServesError):
        none.rolled_back()


def test_a_model_that_serves_is_not_published_again() -> None:
    with pytest.raises(AlreadyServesError):
        stage().published("m1").published("m1")


def test_a_model_that_was_rolled_back_may_serve_again() -> None:
    again = stage().published("m1").published("m2").rolled_back().published("m2")
    assert (again.serving, again.earlier, again.serving_epoch) == ("m2", ("m1",), 4)


def test_a_run_is_named_by_its_stage_and_number() -> None:
    assert run_id_of("p/outline", 1) == run_id_of("p/outline", 1)
    assert len({run_id_of("p/outline", 1), run_id_of("p/outline", 2), run_id_of("p/o", 1)}) == 3


def test_parameters_of_a_caller_override_the_policy_but_not_the_machine_or_the_task() -> None:
    parameters = trainer_parameters(
        stage().training,
        ONTOLOGY,
        number=4,
        threads=1,
        max_seconds=90,
        asked={"seed": 7, "threads": 64, "kind": "boxes"},
    )
    assert parameters == {
        "seed": 7,
        "max_seconds": 90,
        "scale": 0.5,
        "kind": "instances",
        "classes": ["weed"],
        "threads": 1,
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"seed": 2**63 - 1, "optimizer.lr": 0.1, "fresh": True, "note": "\0"},
        {"max_seconds": 1},
        {"max_seconds": 0.5 + LONGEST_SECONDS - 1},
    ],
    ids=str,
)
def test_parameters_that_a_trainer_can_be_given_have_no_problems(
    parameters: dict[str, Any],
) -> None:
    assert problems_of_parameters(parameters) == []


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"seed": 2**63}, "more than 64 bits"),
        ({"": 1}, "no name"),
        ({"a\0b": 1}, "no name"),
        ({"$ref": "a"}, "no name"),
        ({"of": [{"$ref": "a", "n": 1}]}, "no name"),
        ({"of": {"seed": [2**63]}}, "more than 64 bits"),
        ({"note": "\ud800"}, "no text"),
        ({"x" * 201: 1}, "no name"),
        ({"note": "x" * 40_000}, "at most 32768 bytes"),
        *(({"max_seconds": value}, "a number from 1") for value in ("abc", 0.5, 1e300, True, -1)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_parameters_that_no_trainer_can_be_given_are_told(
    parameters: dict[str, Any], problem: str
) -> None:
    (told,) = problems_of_parameters(parameters)
    assert problem in told
