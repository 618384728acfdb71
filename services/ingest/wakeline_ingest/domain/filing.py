"""Filing fingerprints under their keys, so that looking others up costs no share of the dataset.

Some surroundings are everywhere: the rim of a cell, a wave, a leaf. Their keys lead to a share of
all images, and say nothing. As with the stop words of a text, nothing is filed under them any more
once a few strangers are; an image has hundreds of rarer keys to be found by.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from wakeline_events.base import AssetId

MOST_CANDIDATES = 40
"""Assets that a new one is compared with, however large the dataset is."""
FEW_KEYS, MOST_OF_FEW = 2, 5
"""Copies and crops share dozens of keys. Of those that share no more than a few, only so many are
compared: it takes some milliseconds each."""
MOST_STRANGERS = 2
"""Assets filed under one key of which a new one is no copy."""


def candidates(sharing: Mapping[AssetId, Collection[int]]) -> list[AssetId]:
    """Return what is worth comparing, at most `MOST_CANDIDATES`: that which shares most keys first.

    Parameters
    ----------
    sharing : what is filed under some of an image's keys, and under which
    """
    ranked = sorted(sharing, key=lambda asset_id: (-len(sharing[asset_id]), asset_id))
    likely = sum(1 for shared in sharing.values() if len(shared) > FEW_KEYS)
    return ranked[: min(MOST_CANDIDATES, likely + MOST_OF_FEW)]


def telling(
    keys: Collection[int],
    sharing: Mapping[AssetId, Collection[int]],
    copies: Collection[AssetId],
) -> tuple[int, ...]:
    """Return the keys to file an image under: those that tell it from others, in their order.

    A key that `MOST_STRANGERS` are filed under tells nothing. One that its own copies have does,
    but of more than `MOST_CANDIDATES` only so many would be looked at.

    Parameters
    ----------
    keys : all that the image has
    sharing : what is filed already, and under which keys
    copies : those of them that it was found to be a copy or a crop of
    """
    mine, everyone, strangers = frozenset(keys), Counter[int](), Counter[int]()
    for asset_id, theirs in sharing.items():
        shared = mine.intersection(theirs)
        everyone.update(shared)
        if asset_id not in copies:
            strangers.update(shared)
    return tuple(
        key for key in keys if strangers[key] < MOST_STRANGERS and everyone[key] < MOST_CANDIDATES
    )
