from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wakeline_events.configuration import Ontology, PredictorChoice
from wakeline_events.shapes import PredictionSet
from wakeline_prediction.domain import choice
from wakeline_prediction.domain.assignments import Assignment
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.domain.records import Answer, Serving, ServingModel, Stage, Target, Upload

RULES = {"heuristic.ndvi": "1", "heuristic.threshold": "2"}
MODEL = ServingModel(version="m1", artefact_key="k/")
ONTOLOGY = Ontology.model_validate({"classes": [{"name": "cell", "kinds": ["mask"]}]})


def stage(*names: str, **changes: Any) -> Stage:
    predictors = tuple(PredictorChoice(name=name) for name in names)
    fields = {"id": "p/s", "project_id": "p", "version": 1, "ontology": ONTOLOGY}
    return Stage.model_validate({**fields, "predictors": predictors, **changes})


def target(*uploads: Upload, **changes: Any) -> Target:
    fields = {"id": "p/s|a", "stage_id": "p/s", "asset_id": "a", "task_id": "t", "open": True}
    return Target.model_validate({**fields, "uploads": uploads, **changes})


def told(given: Target, latest: Upload) -> Target:
    return given.model_copy(update={"uploads": given.uploads_with(latest)})


def serving(epoch: int = 0, model: ServingModel | None = None) -> Serving:
    return Serving(stage_id="p/s", epoch=epoch, model=model)


def upload(name: str, version: str = "1") -> Upload:
    return Upload(id=f"u-{name}-{version}", predictor=f"external.{name}", version=version)


def candidates(stage: Stage, target: Target, *servings: Serving) -> tuple[Candidate, ...]:
    return choice.candidates(stage, {each.stage_id: each for each in servings}, target, RULES)


def chosen(stage: Stage, target: Target, serving: Serving) -> list[str]:
    return [candidate.predictor for candidate in candidates(stage, target, serving)]


def assignment(stage: Stage, target: Target, serving: Serving) -> Assignment:
    found = candidates(stage, target, serving)
    return Assignment(target, stage, serving, found, {})


def test_the_order_is_that_of_the_stages_list() -> None:
    names = ("external", "own", "heuristic.ndvi", "heuristic.threshold")
    given = target(upload("sam"))
    assert chosen(stage(*names), given, serving(1, MODEL)) == [
        "external.sam",
        "own",
        "heuristic.ndvi",
        "heuristic.threshold",
    ]
    assert chosen(stage(*reversed(names)), given, serving(1, MODEL))[:2] == [
        "heuristic.threshold",
        "heuristic.ndvi",
    ]


def test_own_and_external_stand_for_nobody_until_there_is_something() -> None:
    assert chosen(stage("external", "own", "heuristic.ndvi"), target(), serving()) == [
        "heuristic.ndvi"
    ]


def test_external_means_any_upload_and_the_latest_first() -> None:
    given = told(told(target(upload("sam")), upload("yolo")), upload("sam", "2"))
    found = candidates(stage("external"), given, serving())
    assert [(c.predictor, c.version) for c in found] == [
        ("external.sam", "2"),
        ("external.yolo", "1"),
    ]


def test_a_named_external_goes_where_it_is_named() -> None:
    given = target(upload("sam"), upload("yolo"))
    listed = stage("external.sam", "heuristic.ndvi", "external")
    assert chosen(listed, given, serving()) == ["external.sam", "heuristic.ndvi", "external.yolo"]


def test_a_rule_with_other_parameters_is_another_version() -> None:
    plain = choice.version_with("1", {})
    one, other = (choice.version_with("1", {"threshold": value}) for value in (0.2, 0.3))
    assert plain == "1"
    assert len({plain, one, other}) == 3


def related(*stage_ids: str, **fields: Any) -> Stage:
    choices = [PredictorChoice(name="related", stage=name, **fields) for name in stage_ids]
    return stage("own").model_copy(update={"predictors": tuple(choices)})


def test_a_related_stages_model_answers_under_its_own_version() -> None:
    theirs = Serving(stage_id="q/wakes", epoch=7, model=MODEL)
    listed = related("q/wakes", classes={"wake": "cell"})
    assert candidates(listed, target(), serving(), Serving(stage_id="q/wakes")) == ()
    (found,) = candidates(listed, target(), serving(), theirs)
    assert (found.adapter, found.artefact_key, found.model_version) == ("related", "k/", "m1")
    assert found.version.startswith("m1+")
    (other,) = candidates(related("q/wakes", classes={"sea": "cell"}), target(), serving(), theirs)
    (plain,) = candidates(related("q/wakes"), target(), serving(), theirs)
    assert len({found.version, other.version, plain.version}) == 3
    assert plain.version == "m1"


def test_several_related_stages_stand_in_for_each_other() -> None:
    models = [ServingModel(version=f"m{n}", artefact_key=f"k{n}/") for n in (1, 2)]
    listed = related("q/a", "q/b")
    assert listed.served_by == {"p/s", "q/a", "q/b"}
    one, two = (Serving(stage_id=f"q/{n}", model=m) for n, m in zip("ab", models, strict=True))
    assert [c.version for c in candidates(listed, target(), serving(), one, two)] == ["m1", "m2"]


def test_another_model_of_a_related_stage_outdates_an_answer_of_the_same_epoch() -> None:
    listed = related("q/wakes")

    def with_model(version: str, answer: Answer | None = None) -> Assignment:
        model = ServingModel(version=version, artefact_key=f"{version}/")
        theirs = Serving(stage_id="q/wakes", epoch=1, model=model)
        given = target(answer=answer)
        found = candidates(listed, given, serving(), theirs)
        return Assignment(given, listed, serving(), found, {})

    answer = Answer(epoch=0, basis=with_model("m1").basis, predictor="related")
    assert not with_model("m1", answer).is_due
    assert with_model("m2", answer).is_due


def test_an_answer_is_outdated_by_an_epoch_an_upload_or_another_configuration() -> None:
    names = ("external", "own", "heuristic.ndvi")
    first = assignment(stage(*names), target(), serving(1))
    assert first.is_due
    answer = Answer(epoch=1, basis=first.basis, predictor="heuristic.ndvi")
    done = target(answer=answer)
    assert not assignment(stage(*names), done, serving(1)).is_due
    assert not assignment(stage(*names, version=9), done, serving(1)).is_due
    assert assignment(stage(*names), done, serving(2, MODEL)).is_due
    assert assignment(stage(*names), told(done, upload("sam")), serving(1)).is_due
    assert assignment(stage("heuristic.threshold"), done, serving(1)).is_due


def test_an_answer_of_a_later_epoch_is_never_outdated() -> None:
    answer = Answer(epoch=5, basis="other", predictor="own")
    assert not assignment(stage("own"), target(answer=answer), serving(4, MODEL)).is_due


def test_closed_targets_are_wanted_only_as_holdout_and_none_without_a_task() -> None:
    assert not target(open=False).wanted
    assert target(open=False, holdout=True).wanted
    assert not target(task_id=None, holdout=True).wanted


@given(
    st.integers(0, 300),
    st.integers(0, 300),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
)
def test_priority_comes_before_uncertainty(
    a: int, b: int, one: float | None, other: float | None
) -> None:
    if a > b:
        assert choice.urgency(a, one) > choice.urgency(b, other)
    if a == b and one is None and other is not None:
        assert choice.urgency(a, one) >= choice.urgency(b, other)


def test_equal_answers_of_one_epoch_are_one_prediction() -> None:
    candidate = choice.Candidate(predictor="own", version="m1")
    shapes = PredictionSet(count=0, items=())
    name = choice.prediction_id("t", 1, candidate, shapes)
    assert name == choice.prediction_id("t", 1, candidate, PredictionSet(count=0, items=()))
    assert name != choice.prediction_id("t", 2, candidate, shapes)
    assert len(name) == 24
