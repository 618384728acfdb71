"""Manifests: the same content is the same version, and every asset stands where it may."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from wakeline_events.base import Asset
from wakeline_geometry.shapes import Annotation, Box
from wakeline_training.domain import manifest
from wakeline_training.domain.manifest import Entry, Labeled
from wakeline_training.domain.splits import Decision, Group, LeftOut


def asset(name: str, group: str | None = None) -> Asset:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Asset(
        asset_id=f"d:{digest}",
        dataset_id="d",
        digest=digest,
        width=64,
        height=48,
        group=group or name,
        image=f"d/{digest[:2]}/{digest}",
        bands={"nir": f"d/{digest[:2]}/{digest}.nir"},
    )


def box(name: str, left: float = 1) -> Annotation:
    corners = (left, 2.0, left + 9.5, 12.0)
    return Annotation(id=name, class_name="weed", geometry=Box(corners=corners))


def label(name: str, *shapes: Annotation, unassisted: bool = False) -> Labeled:
    return Labeled(asset(name), shapes, label_id=f"{name}.0.1", unassisted=unassisted)


def decision(holdout: Sequence[str] = (), training: Sequence[str] = ()) -> Decision:
    return Decision(
        frozenset(Group("d", name) for name in holdout),
        frozenset(Group("d", name) for name in training),
        seen=frozenset(),
    )


LABELS = [label(f"image-{i}", box("x"), box("y", left=i + 0.25)) for i in range(8)]
ALL_TRAIN = decision(training=[f"image-{i}" for i in range(8)])


@given(st.permutations(LABELS), st.booleans())
def test_the_same_content_gives_the_same_version_in_any_order(
    labels: list[Labeled], turned: bool
) -> None:
    if turned:
        labels = [
            Labeled(each.asset, each.annotations[::-1], each.label_id, each.unassisted)
            for each in labels
        ]
    entries, _ = manifest.entries(labels, [], ALL_TRAIN)
    expected, _ = manifest.entries(LABELS, [], ALL_TRAIN)
    assert manifest.render(entries, "assets") == manifest.render(expected, "assets")


def test_any_change_of_content_gives_another_version() -> None:
    entries, _ = manifest.entries(LABELS, [], ALL_TRAIN)
    moved = [label("image-0", box("x"), box("y", left=0.26)), *LABELS[1:]]
    changed, _ = manifest.entries(moved, [], ALL_TRAIN)
    fewer, _ = manifest.entries(LABELS[1:], [], ALL_TRAIN)
    versions = {manifest.render(each, "assets") for each in (entries, changed, fewer)}
    assert len(versions) == 3


def test_a_line_is_what_the_trainer_contract_says() -> None:
    entries, _ = manifest.entries([LABELS[3]], [], ALL_TRAIN)
    row = json.loads(manifest.render(entries, "t1-assets"))
    image = LABELS[3].asset
    assert row["image"] == f"s3://t1-assets/{image.image}"
    assert row["bands"] == {"nir": f"s3://t1-assets/{image.image}.nir"}
    assert (row["asset_id"], row["width"], row["height"]) == (image.asset_id, 64, 48)
    assert (row["split"], row["group"], row["label_id"]) == ("train", "image-3", "image-3.0.1")
    assert [shape["id"] for shape in row["annotations"]] == ["x", "y"]


def test_only_a_label_of_focus_regions_says_so() -> None:
    whole = label("image-3", box("x"))
    about = replace(whole, focus_regions=((1.0, 2.0, 30.0, 40.5),))
    entry = Entry(whole, "holdout")
    assert b"focus" not in manifest.render([entry], "assets")
    rendered = manifest.render([replace(entry, labeled=about)], "assets")
    assert json.loads(rendered)["focus_regions"] == [[1.0, 2.0, 30.0, 40.5]]
    (truth,) = manifest.holdout_of([rendered])
    assert truth.focus_regions == about.focus_regions


def test_an_assisted_label_of_a_holdout_group_stands_in_no_split() -> None:
    labels = [label("a", box("x"), unassisted=True), label("b", box("x"), unassisted=False)]
    entries, left_out = manifest.entries(labels, [], decision(holdout=["a", "b"]))
    assert [(e.labeled.label_id, e.split) for e in entries] == [("a.0.1", "holdout")]
    assert left_out == {LeftOut.ASSISTED_HOLDOUT: 1}


def test_only_arms_without_prelabels_count_as_unassisted() -> None:
    unassisted = {
        arm: manifest.is_unassisted(arm, assisted=False)
        for arm in ("assisted", "control", "holdout", "benchmark")
    }
    assert unassisted == {"assisted": False, "control": True, "holdout": True, "benchmark": True}
    assert not manifest.is_unassisted("holdout", assisted=True)


def test_a_benchmark_takes_the_place_of_a_label_of_its_asset() -> None:
    truth = Labeled(asset("a"), (box("trusted"),), label_id=None, unassisted=True)
    entries, _ = manifest.entries([label("a", box("x"))], [truth], decision())
    (entry,) = entries
    assert (entry.split, entry.labeled.annotations[0].id) == ("holdout", "trusted")


def test_a_benchmark_that_was_trained_on_judges_nobody() -> None:
    truth = Labeled(asset("a"), (box("trusted"),), label_id=None, unassisted=True)
    seen = Decision(frozenset(), frozenset(), seen=frozenset({Group("d", "a")}))
    entries, left_out = manifest.entries([], [truth], seen)
    assert entries == []
    assert left_out == {LeftOut.SEEN_BENCHMARK: 1}


def test_the_gate_reads_back_what_was_frozen() -> None:
    held = label("a", box("x"), unassisted=True)
    entries, _ = manifest.entries(
        [held, *LABELS], [], decision(["a"], [f"image-{i}" for i in range(8)])
    )
    (truth,) = manifest.holdout_of(manifest.render(entries, "assets").splitlines())
    assert truth.asset_id == held.asset.asset_id
    assert truth.size == (48, 64)
    assert truth.group == Group("d", "a")
    assert truth.annotations == held.annotations
