"""What a new project document changes, and whether it can work."""

from tests.unit.labeling.cases import document

from wakeline_labeling.domain import changes
from wakeline_labeling.domain.changes import Change


def test_an_equal_document_changes_nothing() -> None:
    assert changes.between(document(), document()) == []


def test_a_new_project_is_all_new() -> None:
    found = changes.between(None, document())
    assert Change("project", None, "field") in found
    assert all(change.before is None for change in found)


def test_differences_are_found_by_name_and_not_by_position() -> None:
    after = document(n_labels=2, review={"share": 0.25})
    assert changes.between(document(), after) == [
        Change("stages[weeds].n_labels", 1, 2),
        Change("stages[weeds].review.share", 1.0, 0.25),
    ]


def test_another_order_of_predictors_is_a_change() -> None:
    one = document(predictors=[{"name": "own"}, {"name": "heuristic.ndvi"}])
    two = document(predictors=[{"name": "heuristic.ndvi"}, {"name": "own"}])
    (change,) = changes.between(one, two)
    assert change.path == "stages[weeds].predictors (order)"
    assert change.after == ["heuristic.ndvi", "own"]


def test_predictors_of_one_name_are_told_apart() -> None:
    def listing(*stages: str) -> list[dict[str, str]]:
        return [{"name": "related", "stage": stage} for stage in stages]

    one, two = (document(predictors=listing(first, "c/s")) for first in ("a/s", "b/s"))
    (change,) = changes.between(one, two)
    assert change.path == "stages[weeds].predictors"


def test_only_a_change_of_the_ontology_touches_it() -> None:
    plain = document().model_dump()
    plain["ontology"]["classes"][1]["kinds"] = ["polygon", "mask"]
    other = type(document()).model_validate(plain)
    assert changes.touches_ontology(changes.between(document(), other))
    assert not changes.touches_ontology(changes.between(document(), document(n_labels=4)))


def test_a_workable_document_has_no_problems() -> None:
    assert changes.unworkable(document(), "field", {"botanists"}) == []


def test_each_problem_says_what_to_do() -> None:
    wanting = document(review={"team": "experts"}, training={"trainer": "boxes"})
    problems = changes.unworkable(wanting, "other", {"botanists"})
    assert len(problems) == 2
    assert "/v1/projects/field" in problems[0]
    assert "PUT /v1/teams/experts" in problems[1]


def test_a_related_predictor_with_a_parameter_that_is_none_is_refused() -> None:
    def listing(**parameters: float) -> list[dict[str, object]]:
        return [{"name": "related", "stage": "a/s", "parameters": parameters}]

    fine = document(predictors=listing(least_score=0.4))
    assert changes.unworkable(fine, "field", {"botanists"}) == []
    for bad in ({"least_scor": 0.4}, {"least_score": 4.0}):
        refused = document(predictors=listing(**bad))
        (problem,) = changes.unworkable(refused, "field", {"botanists"})
        assert next(iter(bad)) in problem


def test_a_trainer_needs_a_class_of_its_kind() -> None:
    plain = document(training={"trainer": "boxes"}).model_dump()
    plain["ontology"]["classes"] = [{"name": "weed", "kinds": ["point"]}]
    only_points = type(document()).model_validate(plain)
    (problem,) = changes.unworkable(only_points, "field", {"botanists"})
    assert "is drawn as box" in problem
