"""Which group an asset joins, and whom it is a neighbour of."""

from hypothesis import given
from hypothesis import strategies as st

from wakeline_ingest.domain.grouping import Relative, parents_first, place

DIGEST = "0123456789abcdef" * 4
PARENT = Relative("d:parent", "of-parent")
COPY, OTHER = Relative("d:copy", "of-copy"), Relative("d:other", "of-other")


def test_an_asset_without_relatives_is_a_group_of_its_own() -> None:
    found = place(DIGEST, None, None, [])
    assert (found.group, found.neighbours) == (DIGEST[:24], ())


def test_the_most_alike_copy_decides_and_others_become_neighbours() -> None:
    found = place(DIGEST, None, None, [COPY, OTHER])
    assert (found.group, found.neighbours) == ("of-copy", ("d:other",))


def test_a_declared_parent_is_better_than_a_resemblance() -> None:
    found = place(DIGEST, None, PARENT, [COPY])
    assert (found.group, found.neighbours) == ("of-parent", ("d:copy",))


def test_a_declared_group_is_better_than_everything() -> None:
    found = place(DIGEST, "patient-7", PARENT, [COPY])
    assert (found.group, found.neighbours) == ("patient-7", ("d:copy", "d:parent"))


names = st.sampled_from(["a", "b", "c"])
relatives = st.lists(st.builds(Relative, st.text("xyz", min_size=1), names), max_size=6)


@given(st.none() | names, st.none() | st.builds(Relative, st.just("p"), names), relatives)
def test_neighbours_are_exactly_the_relatives_of_other_groups(
    declared: str | None, parent: Relative | None, copies: list[Relative]
) -> None:
    found = place(DIGEST, declared, parent, copies)
    everyone = [*copies, *([parent] if parent else [])]
    outside = {one.asset_id for one in everyone if one.group != found.group}
    assert found.neighbours == tuple(sorted(outside))


def test_parents_come_before_their_children_and_else_the_order_stays() -> None:
    parents = {"tile": "scene", "tile-of-tile": "tile", "lone": "elsewhere"}
    given_order = ["a", "tile-of-tile", "lone", "tile", "scene", "b"]
    assert parents_first(given_order, parents) == (
        *("a", "scene", "tile", "tile-of-tile"),
        *("lone", "b"),
    )


@given(st.permutations(range(8)), st.dictionaries(st.integers(1, 7), st.integers(0, 6), max_size=7))
def test_every_order_of_arrival_is_put_right(order: list[int], links: dict[int, int]) -> None:
    parents = {str(child): str(parent) for child, parent in links.items() if parent < child}
    ordered = parents_first([str(n) for n in order], parents)
    assert sorted(ordered) == sorted(map(str, order))
    assert all(ordered.index(parent) < ordered.index(child) for child, parent in parents.items())
