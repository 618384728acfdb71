"""Splits: what was set aside once never trains, whatever arrives later and in whatever order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wakeline_training.domain import splits
from wakeline_training.domain.splits import AssetFacts, Facts, Group, LeftOut, Side

SHARE = 0.2


def facts_of(
    labeled: dict[str, bool],
    *,
    relatives: dict[str, set[str]] | None = None,
    benchmarks: Iterable[str] = (),
    decided: dict[str, Side] | None = None,
    first: bool = True,
) -> Facts:
    """A dataset "d" with one asset a group; ``labeled`` says whether a label is unassisted."""
    related = relatives or {}
    names = {*labeled, *benchmarks, *related}
    return Facts(
        assets={
            f"d:{name}": AssetFacts(
                f"d:{name}",
                Group("d", name),
                digest=name,
                relatives=frozenset(f"d:{other}" for other in related.get(name, ())),
            )
            for name in names
        },
        decided={Group("d", name): side for name, side in (decided or {}).items()},
        first=frozenset({"d"} if first else ()),
        labeled=frozenset(Group("d", name) for name in labeled),
        unassisted=frozenset(Group("d", name) for name, alone in labeled.items() if alone),
        benchmarks=frozenset(Group("d", name) for name in benchmarks),
    )


def names(groups: frozenset[Group]) -> set[str]:
    return {group.name for group in groups}


def by_rank(count: int) -> list[str]:
    return sorted((f"g{i}" for i in range(count)), key=lambda name: splits.rank(Group("d", name)))


def test_rank_is_the_share_of_the_hash_space_below_the_group() -> None:
    # Fixed: labeling presumes hold-out by the same numbers, so they may never change.
    assert splits.rank(Group("fields", "plot-7")) == 0.6238332023547423


def test_first_freeze_fills_up_to_five_groups_by_rank() -> None:
    order = by_rank(20)
    decision = splits.decide(facts_of(dict.fromkeys(order, True)), share=0.001)
    assert names(decision.holdout) == set(order[:5])
    assert names(decision.training) == set(order[5:])


def test_first_freeze_fills_up_to_the_share_of_labeled_groups() -> None:
    order = by_rank(100)
    decision = splits.decide(facts_of(dict.fromkeys(order, True)), share=0.3)
    assert names(decision.holdout) >= set(order[:30])
    assert len(decision.holdout) == max(30, sum(splits.rank(Group("d", n)) < 0.3 for n in order))


def test_only_groups_with_an_unassisted_label_become_holdout() -> None:
    order = by_rank(30)
    labeled = {name: i % 2 == 1 for i, name in enumerate(order)}
    decision = splits.decide(facts_of(labeled), SHARE)
    assert names(decision.holdout) == {
        name for name in order[1::2] if name in names(decision.holdout)
    }
    assert names(decision.holdout) <= set(order[1::2])
    assert len(decision.holdout) >= 5


def test_later_freezes_go_by_rank_alone() -> None:
    order = by_rank(40)
    low = {name for name in order if splits.rank(Group("d", name)) < SHARE}
    decision = splits.decide(facts_of(dict.fromkeys(order, True), first=False), SHARE)
    assert names(decision.holdout) == low


def test_a_group_that_was_trained_on_never_becomes_holdout() -> None:
    order = by_rank(10)
    decided = {order[0]: Side.TRAINED}
    decision = splits.decide(facts_of(dict.fromkeys(order, True), decided=decided), SHARE)
    assert order[0] in names(decision.training)


def test_a_crop_of_a_holdout_asset_does_not_train_whichever_of_the_two_names_the_other() -> None:
    order = by_rank(10)
    held, crop = order[0], order[-1]
    for related in ({crop: {held}}, {held: {crop}}):
        decision = splits.decide(facts_of(dict.fromkeys(order, True), relatives=related), SHARE)
        assert held in names(decision.holdout)
        assert crop not in names(decision.training)
        assert decision.left_out[Group("d", crop)] is LeftOut.RELATED_TO_HOLDOUT


def test_a_benchmark_that_arrives_later_takes_its_group_and_relatives_out_of_training() -> None:
    order = by_rank(12)
    late, relative = order[-1], order[-2]
    before = splits.decide(facts_of(dict.fromkeys(order, True)), SHARE)
    assert {late, relative} <= names(before.training)
    sides = {group.name: side for group, side in before.changes({}).items()}
    after = splits.decide(
        facts_of(
            dict.fromkeys(order, True),
            relatives={relative: {late}},
            benchmarks={late},
            decided=sides,
            first=False,
        ),
        SHARE,
    )
    assert not {late, relative} & names(after.training)
    assert {late, relative} <= names(after.seen)


def test_an_asset_whose_neighbour_is_unknown_waits() -> None:
    order = by_rank(10)
    facts = facts_of(dict.fromkeys(order, True), relatives={order[-1]: {"nobody"}})
    decision = splits.decide(facts, SHARE)
    assert decision.left_out[Group("d", order[-1])] is LeftOut.UNKNOWN_NEIGHBOUR


def test_equal_bytes_in_another_dataset_are_relatives() -> None:
    facts = facts_of(dict.fromkeys(by_rank(10), True))
    held = next(iter(splits.decide(facts, SHARE).holdout))
    copy = AssetFacts("e:copy", Group("e", "copy"), digest=held.name)
    other = AssetFacts("e:other", Group("e", "other"), digest="other")
    facts = replace(
        facts,
        assets={**facts.assets, "e:copy": copy, "e:other": other},
        labeled=facts.labeled | {copy.group, other.group},
    )
    decision = splits.decide(facts, SHARE)
    assert copy.group not in decision.training
    assert other.group in decision.training


@dataclass
class World:
    """A dataset over time: everything that can arrive, in any order, between freezes."""

    group_of: dict[int, int] = field(default_factory=dict)
    relatives: dict[int, set[int]] = field(default_factory=dict)
    labels: dict[str, dict[int, bool]] = field(default_factory=lambda: {"a": {}, "b": {}})
    benchmarks: set[int] = field(default_factory=set)
    decided: dict[Group, Side] = field(default_factory=dict)
    frozen: bool = False

    def facts(self, stage: str) -> Facts:
        assets = {
            f"d:{n}": AssetFacts(
                f"d:{n}",
                self.group(n),
                digest=str(n),
                relatives=frozenset(f"d:{other}" for other in self.relatives.get(n, ())),
            )
            for n in self.group_of
        }
        alone = {
            n for labels in self.labels.values() for n, unassisted in labels.items() if unassisted
        }
        return Facts(
            assets=assets,
            decided=self.decided,
            first=frozenset() if self.frozen else frozenset({"d"}),
            labeled=frozenset(self.group(n) for n in self.labels[stage]),
            unassisted=frozenset(self.group(n) for n in alone),
            benchmarks=frozenset(self.group(n) for n in self.benchmarks),
        )

    def group(self, asset: int) -> Group:
        return Group("d", f"g{self.group_of[asset]}")

    def linked(self, asset: int) -> Iterator[int]:
        yield from self.relatives.get(asset, ())
        yield from (n for n, named in self.relatives.items() if asset in named)


ASSETS = st.integers(0, 29)
STEPS = st.one_of(
    st.tuples(st.just("asset"), ASSETS, st.integers(0, 19), st.sets(ASSETS, max_size=2)),
    st.tuples(st.just("label"), ASSETS, st.sampled_from("ab"), st.booleans()),
    st.tuples(st.just("benchmark"), ASSETS),
    st.tuples(st.just("freeze"), st.sampled_from("ab")),
)


@given(st.lists(STEPS, max_size=80), st.floats(0.05, 0.6))
def test_nothing_near_a_holdout_or_benchmark_trains_in_any_later_version(
    steps: list[tuple[Any, ...]], share: float
) -> None:
    world = World({n: n % 20 for n in range(10)})
    ever_holdout: set[Group] = set()
    ever_trained: set[Group] = set()
    for kind, *what in [*steps, ("freeze", "a"), ("freeze", "b")]:
        if kind == "asset" and what[0] not in world.group_of:
            number, group, named = what
            world.group_of[number] = group
            world.relatives[number] = named - {number}
        elif kind == "label" and what[0] in world.group_of:
            world.labels[what[1]][what[0]] = what[2]
        elif kind == "benchmark" and what[0] in world.group_of:
            world.benchmarks.add(what[0])
        elif kind == "freeze":
            decision = splits.decide(world.facts(what[0]), share)
            check(world, decision)
            changes = decision.changes(world.decided)
            assert not changes.keys() & world.decided.keys()
            world.decided |= changes
            world.frozen = True
            assert ever_holdout <= decision.holdout, "a hold-out group was let go"
            assert not (decision.holdout - ever_holdout) & ever_trained, "trained, then held out"
            ever_holdout |= decision.holdout
            ever_trained |= decision.training
            assert not ever_holdout & decision.training


def check(world: World, decision: splits.Decision) -> None:
    apart = decision.holdout | {world.group(n) for n in world.benchmarks}
    for asset in world.group_of:
        if world.group(asset) not in decision.training:
            continue
        assert world.group(asset) not in apart
        for other in world.linked(asset):
            assert other in world.group_of, "trains beside a neighbour that nobody knows"
            assert world.group(other) not in apart, "a copy or crop of a hold-out asset trains"
