"""What events add to the graph."""

import json
from pathlib import Path

import pytest

from wakeline_events.base import Event
from wakeline_events.registry import BY_TYPE
from wakeline_lineage.domain.mapping import story_of, story_of_unknown
from wakeline_lineage.domain.nodes import Kind, Node

EVENTS = Path(__file__).parents[3] / "schemas" / "events"
LABEL = "label:05619204f4194213ba71fd02.0.1"
MODEL = "model:5eceb4d24c54994b1f0eb9f0.1"


def example(event_type: str, **changes: object) -> Event:
    stored = json.loads((EVENTS / event_type / "examples" / "full.json").read_text())
    return BY_TYPE[event_type].model_validate(stored | changes)


def sentences(event: Event, sequence: int = 1) -> set[tuple[str, str, str]]:
    links = story_of(event, sequence).links
    return {(link.source.name, link.says, link.target.name) for link in links}


def test_a_label_comes_of_its_task_its_lease_its_person_and_the_pre_label_it_was_shown() -> None:
    event = example("label.completed")
    said = {(source.partition(":")[0], says) for source, says, target in sentences(event)
            if target == LABEL}  # fmt: skip
    assert said == {
        ("task", "asked for"),
        ("lease", "ended in"),
        ("person", "made"),
        ("prediction", "was shown for"),
    }


def test_a_pre_label_that_was_hidden_is_told_apart_from_one_that_was_shown() -> None:
    shown = json.loads((EVENTS / "label.completed/examples/full.json").read_text())["prelabel"]
    hidden = example("label.completed", arm="control", prelabel={**shown, "shown": False})
    says = {says for _, says, target in sentences(hidden) if target == LABEL}
    assert "was hidden from" in says
    assert "was shown for" not in says


def test_a_prediction_of_the_stages_own_model_comes_of_that_model() -> None:
    assert (MODEL, "made", "prediction:43bb00d0ce7790a53b91256b") in sentences(
        example("prediction.completed")
    )
    heuristic = example("prediction.completed", predictor="heuristic.ndvi", predictor_version="2")
    assert ("predictor:heuristic.ndvi@2", "made", "prediction:43bb00d0ce7790a53b91256b") in (
        sentences(heuristic)
    )


def test_a_prediction_of_a_related_stages_model_comes_of_that_model() -> None:
    version = MODEL.partition(":")[2]
    said = sentences(
        example(
            "prediction.completed",
            predictor="related",
            predictor_version=f"{version}+12ab34cd",
            model_version=version,
        )
    )
    predictor = f"predictor:related@{version}+12ab34cd"
    assert (MODEL, "answered as", predictor) in said
    assert (predictor, "made", "prediction:43bb00d0ce7790a53b91256b") in said


def test_all_labels_that_were_merged_have_a_part_in_the_accepted_one() -> None:
    task = "05619204f4194213ba71fd02"
    event = example("label.accepted", merged_from=[f"{task}.0.1", f"{task}.1.1"])
    judged = {source for source, says, _ in sentences(event) if says == "was judged in"}
    assert judged == {f"label:{task}.0.1", f"label:{task}.1.1"}


def test_each_later_correction_is_a_verdict_of_its_own() -> None:
    first, second = (sentences(example("label.superseded"), n) for n in (4, 9))
    assert {target for *_, target in first}.isdisjoint({target for *_, target in second})


@pytest.mark.parametrize("event_type", ["model.published", "model.retired"])
def test_a_model_is_no_cause_of_all_that_its_stage_does(event_type: str) -> None:
    assert not [1 for source, _, _ in sentences(example(event_type)) if source == MODEL]


def test_an_unknown_event_is_found_by_the_ids_that_it_names() -> None:
    story = story_of_unknown({"label_id": "t.0.1", "asset_id": "d:ab", "score": 1, "run_id": None})
    assert set(story.nodes) == {Node(Kind.LABEL, "t.0.1"), Node(Kind.ASSET, "d:ab")}
    assert story.links == set()


def test_an_asset_is_called_by_its_digest_too_and_a_made_up_id_by_nobody() -> None:
    assert Node(Kind.ASSET, "d:ab").names == ("d:ab", "ab")
    assert Node(Kind.REVIEW, "t.0.1:accepted").names == ()
    # A lease and a label of one slot may have one id, and it is the label that people ask for.
    assert Node(Kind.LEASE, "t.0.1").names == ()
