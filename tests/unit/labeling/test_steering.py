"""Which slot of a task is kept for somebody."""

from tests.unit.labeling.cases import asset, stage, terms

from wakeline_labeling.domain import opening, steering


def test_what_is_kept_for_a_person_is_no_benchmark() -> None:
    opened = opening.open_task(stage(), asset(1), terms())
    (ordinary, *_) = opened.slots
    benchmark = opening.benchmark_slot(stage(), opened.task, 1, terms())
    returned = opening.own_slot(benchmark, "bob").model_copy(update={"people": ("bob",)})
    assert steering.free_for([benchmark, returned, ordinary], "ann") == ordinary
    assert steering.free_for([benchmark, returned], "ann") is None
