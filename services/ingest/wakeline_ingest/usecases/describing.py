"""Metadata: writing down what is said of assets, line by line."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wakeline_ingest.domain import metadata
from wakeline_ingest.domain.errors import MetadataRefusedError
from wakeline_ingest.domain.imports import ImportRecord, Line, Outcome
from wakeline_ingest.domain.metadata import Naming, Statement
from wakeline_ingest.domain.records import AssetRecord, asset_id_of, with_said
from wakeline_ingest.ports import IngestUnitOfWork


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a table, or the reason why it says nothing."""

    name: str
    statement: Statement | None
    code: str | None = None
    message: str | None = None


async def describe(
    uow: IngestUnitOfWork, record: ImportRecord, said: Sequence[Said], cursor: Mapping[str, Any]
) -> None:
    """Write down what lines say, together with how far the import is.

    The same again changes nothing; a later line wins over an earlier one.
    """
    found = await _named(uow, record, [each.statement for each in said if each.statement])
    counts: Counter[Outcome] = Counter()
    grouped = False
    for each in said:
        line = Line(each.name, "refused", code=each.code, message=each.message)
        if each.statement is not None:
            try:
                asset = _one(found[each.statement.by, each.statement.name])
                new = with_said(asset, each.statement)
                line = Line(each.name, "unchanged" if new == asset else "updated", asset.asset_id)
                if new != asset:
                    uow.assets.describe(new)
                    grouped |= new.declared.group != asset.declared.group
                    _remember(found, new)
            except MetadataRefusedError as error:
                line = Line(each.name, "refused", code=error.code, message=str(error))
        counts[line.outcome] += 1
        if line.outcome != "unchanged":
            uow.imports.report(record.import_id, line)
    if grouped:  # whoever is placing assets of the dataset now looks at them again
        await uow.datasets.next_turn(record.dataset_id)
    uow.imports.advance(record.import_id, cursor, counts)


Found = dict[tuple[Naming, str], list[AssetRecord]]


async def _named(
    uow: IngestUnitOfWork, record: ImportRecord, statements: Sequence[Statement]
) -> Found:
    """The assets that the statements name; two at most of a name, for then it is ambiguous."""
    wanted: defaultdict[Naming, set[str]] = defaultdict(set)
    for statement in statements:
        wanted[statement.by].add(statement.name)
    ids = wanted["asset_id"] | {asset_id_of(record.dataset_id, d) for d in wanted["digest"]}
    found: Found = defaultdict(list)
    for asset in (await uow.assets.several(ids)).values():
        if asset.dataset_id == record.dataset_id:
            found["asset_id", asset.asset_id].append(asset)
            found["digest", asset.digest].append(asset)
    for asset in await uow.assets.called(record.dataset_id, wanted["file_name"]):
        same = next((a for a in found["asset_id", asset.asset_id]), asset)
        found["file_name", asset.declared.file_name].append(same)
    return found


def _one(assets: Sequence[AssetRecord]) -> AssetRecord:
    if not assets:
        raise MetadataRefusedError("unknown-asset", "there is no such asset in this dataset")
    if len(assets) > 1:
        raise MetadataRefusedError(
            "ambiguous-name", f"{len(assets)} assets are called so: name it by digest or asset_id"
        )
    return assets[0]


def _remember(found: Found, new: AssetRecord) -> None:
    """Let later lines see what this one said, by whatever they name the asset."""
    for assets in found.values():
        for place, asset in enumerate(assets):
            if asset.asset_id == new.asset_id:
                assets[place] = new


def filters_of(asked: Sequence[str]) -> list[list[str]]:
    """Return what a list of assets is filtered by: of each filter one tag has to be there.

    Raises
    ------
    MetadataRefusedError
    """
    return [metadata.tags_meant(each) for each in asked]
