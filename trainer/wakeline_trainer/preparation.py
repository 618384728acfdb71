"""From a manifest to everything that training needs: samples, channels, levels and the plan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wakeline_trainer.base import Base
from wakeline_trainer.contract import Asset, BadInputError, Parameters
from wakeline_trainer.data import (
    Sample,
    Statistics,
    common_channels,
    in_channels,
    load_stack,
    make_sample,
    measure,
    on_disk,
    statistics,
)
from wakeline_trainer.plan import Plan, plan
from wakeline_trainer.storage import Storage

LEVELS_FROM = 50
"""Images that the levels of the channels are taken from, at most."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data of a run, ready to train on."""

    train: list[Asset]
    holdout: list[Asset]
    samples: list[Sample]
    """Of the training assets, in their order."""
    channels: tuple[str, ...]
    levels: Statistics
    plan: Plan
    base: Base | None
    """Where training begins; None: from nothing."""


def prepare(
    storage: Storage,
    parameters: Parameters,
    assets: Sequence[Asset],
    scratch: Path,
    base: Base | None = None,
) -> Prepared:
    """Read the training split, measure it, plan the run, and bring it to working pixels.

    A base that fits decides how images are seen: its weights mean something only to the eyes
    that they were trained with. Images are read twice, first for their levels, so that only one
    is in memory at a time.

    Raises
    ------
    BadInputError
        If an image cannot be used, or nothing is there to learn from.
    """
    train = [asset for asset in assets if asset.split == "train"]
    objects = measure(train, parameters.classes)
    if not objects:
        raise BadInputError("No training asset has an annotation to learn from")
    channels = common_channels([load_stack(storage, asset)[1] for asset in train])
    if base is not None and not base.fits(parameters, channels):
        base = None
    made = plan(
        parameters.kind,
        len(parameters.classes),
        objects,
        [asset.size for asset in train],
        base.card.scale if base else parameters.scale,
    )
    if base is not None:
        made = replace(made, object_size=base.card.object_size)
        levels = Statistics(base.card.mean, base.card.std)
    else:
        few = train[:: -(-len(train) // LEVELS_FROM)]
        levels = statistics(in_channels(storage, asset, channels) for asset in few)
    samples = (
        make_sample(
            in_channels(storage, asset, channels), asset, parameters.classes, made.scale, levels
        )
        for asset in train
    )
    return Prepared(
        train=train,
        holdout=[asset for asset in assets if asset.split == "holdout"],
        samples=list(on_disk(samples, scratch)),
        channels=channels,
        levels=levels,
        plan=made,
        base=base,
    )
