"""Groups: which assets must stay on one side of every split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wakeline_events.base import AssetId

OWN_GROUP_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Relative:
    """An asset that another one is a copy, a crop or a part of, and the group it is in."""

    asset_id: AssetId
    group: str


@dataclass(frozen=True, slots=True)
class Grouping:
    """Where an asset belongs."""

    group: str
    neighbours: tuple[AssetId, ...]
    """Relatives in other groups, sorted: none of them may be on the other side of a split."""


def place(
    digest: str,
    declared_group: str | None,
    parent: Relative | None,
    copies: Sequence[Relative],
) -> Grouping:
    """Decide an asset's group.

    What its owner says of it (same patient, same scene) is better than what pictures tell, the
    parent it was cut from better than a resemblance. Relatives that end up in other groups are
    remembered as neighbours: a group never changes once it has been told.

    Parameters
    ----------
    digest : SHA-256 in hex; its beginning names the group of an asset without relatives
    declared_group : as given at upload
    parent : the asset this one was declared to be cut from
    copies : assets that it was found to be a copy or crop of, the most alike first
    """
    relatives = ([parent] if parent else []) + list(copies)
    if declared_group is not None:
        group = declared_group
    elif relatives:
        group = relatives[0].group
    else:
        group = digest[:OWN_GROUP_LENGTH]
    others = {relative.asset_id for relative in relatives if relative.group != group}
    return Grouping(group, tuple(sorted(others)))


def parents_first(
    assets: Iterable[AssetId], parents: Mapping[AssetId, AssetId]
) -> tuple[AssetId, ...]:
    """Order assets so that each comes after its parent, and else as they are.

    ``parents`` has no circle: a parent is there before its child may be uploaded.
    """
    given = list(assets)
    wanted, ordered = set(given), dict[AssetId, None]()
    for asset in given:
        line = [asset]
        while (parent := parents.get(line[-1])) in wanted and parent not in ordered:
            assert parent is not None
            line.append(parent)
        ordered.update(dict.fromkeys(reversed(line)))
    return tuple(ordered)
