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


def test_a_trainer_needs_a_class_of_its_kind() -> None:
    plain = document(training={"trainer": "boxes"}).model_dump()
    plain["ontology"]["classes"] = [{"name": "weed", "kinds": ["point"]}]
    only_points = type(document()).model_validate(plain)
    (problem,) = changes.unworkable(only_points, "field", {"botanists"})
    assert "is drawn as box" in problem
