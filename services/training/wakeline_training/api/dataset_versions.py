"""Routes of dataset versions."""

from fastapi.responses import StreamingResponse

from wakeline_blobs import BlobMissingError
from wakeline_http import Page, Router, problems
from wakeline_training.api.dependencies import (
    ExportsLabels,
    Listed,
    ReadsLabels,
    TrainingReader,
    TrainingResources,
)
from wakeline_training.api.models import DatasetVersionOut
from wakeline_training.archive import DATASETS
from wakeline_training.domain.coco import CocoExport
from wakeline_training.domain.manifest import Split
from wakeline_training.domain.models import DatasetVersion, UnknownDatasetVersionError
from wakeline_training.ports import TrainingUnitOfWork
from wakeline_training.usecases import exporting

router = Router(prefix="/v1/dataset-versions", tags=["dataset versions"])


@router.get("")
async def list_dataset_versions(
    listing: Listed, _: ReadsLabels, uow: TrainingReader
) -> Page[DatasetVersionOut]:
    """Dataset versions, newest first."""
    versions = await uow.dataset_versions.page(listing.filter, listing.after, listing.limit)
    return Page(
        items=[DatasetVersionOut.of(version) for version in versions],
        next=listing.next(versions, "dataset_version"),
    )


@router.get("/{dataset_version}", responses=problems(UnknownDatasetVersionError))
async def get_dataset_version(
    dataset_version: str, _: ReadsLabels, uow: TrainingReader
) -> DatasetVersionOut:
    """A dataset version with its splits."""
    return DatasetVersionOut.of(await _version(uow, dataset_version))


@router.get(
    "/{dataset_version}/manifest",
    response_class=StreamingResponse,
    responses=problems(UnknownDatasetVersionError, BlobMissingError),
)
async def get_manifest(
    dataset_version: str, _: ReadsLabels, uow: TrainingReader, resources: TrainingResources
) -> StreamingResponse:
    """The manifest, one JSON line an asset; its SHA-256 is the version's name."""
    version = await _version(uow, dataset_version)
    await resources.blobs.stat(DATASETS, version.manifest_key)  # a 404 comes before the stream
    return StreamingResponse(
        resources.blobs.stream(DATASETS, version.manifest_key), media_type="application/jsonl"
    )


@router.get(
    "/{dataset_version}/coco",
    response_class=StreamingResponse,
    responses=problems(UnknownDatasetVersionError, BlobMissingError),
)
async def export_coco(
    dataset_version: str,
    _: ExportsLabels,
    uow: TrainingReader,
    resources: TrainingResources,
    split: Split | None = None,
    compressed: bool = False,
) -> StreamingResponse:
    """The version as one COCO file, as a stream; the same bytes whenever it is asked for."""
    version = await _version(uow, dataset_version)
    await resources.blobs.stat(DATASETS, version.manifest_key)  # a 404 comes before the stream
    export = CocoExport(version, split=split, compressed=compressed)
    name = ".".join(part for part in (version.dataset_version, split, "coco.json") if part)
    return StreamingResponse(
        exporting.coco_of(export, resources.archive, version.manifest_key),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _version(uow: TrainingUnitOfWork, name: str) -> DatasetVersion:
    version = await uow.dataset_versions.get(name)
    if version is None:
        raise UnknownDatasetVersionError(f"there is no dataset version {name}")
    return version
