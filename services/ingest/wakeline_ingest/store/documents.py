"""How records look in MongoDB."""

from dataclasses import asdict
from typing import Any

from bson import Binary

from wakeline_ingest.domain.metadata import tags_of
from wakeline_ingest.domain.records import AssetRecord, DatasetRecord, Declared, StoredPart
from wakeline_ingest.ports import Filed, Preview, Refusal

Document = dict[str, Any]


def of_asset(asset: AssetRecord) -> Document:
    """Return the document of an asset."""
    document = asdict(asset)
    document["_id"] = document.pop("asset_id")
    document["tags"] = tags_of(asset.declared.metadata)
    return document


def asset_from(document: Document) -> AssetRecord:
    """Return the asset of a document."""
    fields = {name: value for name, value in document.items() if name not in ("stays", "tags")}
    return AssetRecord(
        asset_id=fields.pop("_id"),
        declared=Declared(**fields.pop("declared")),
        bands={name: StoredPart(**part) for name, part in fields.pop("bands").items()},
        masks={name: StoredPart(**part) for name, part in fields.pop("masks").items()},
        neighbours=tuple(fields.pop("neighbours")),
        **fields,
    )


def of_dataset(dataset: DatasetRecord) -> Document:
    """Return the document of a dataset."""
    return {
        "_id": dataset.dataset_id,
        "name": dataset.name,
        "created_at": dataset.created_at,
        "turn": 0,
    }


def dataset_from(document: Document) -> DatasetRecord:
    """Return the dataset of a document."""
    return DatasetRecord(document["_id"], document["name"], document["created_at"])


def of_preview(preview: Preview) -> Document:
    """Return the document of a preview."""
    return {
        "_id": preview.asset_id,
        "thumbnail": Binary(preview.thumbnail),
        "sketch": Binary(preview.sketch),
    }


def preview_from(document: Document) -> Preview:
    """Return the preview of a document."""
    return Preview(document["_id"], bytes(document["thumbnail"]), bytes(document["sketch"]))


def of_filed(filed: Filed) -> Document:
    """Return the document of a fingerprint."""
    return {
        "_id": filed.asset_id,
        "dataset_id": filed.dataset_id,
        "keys": list(filed.keys),
        "data": Binary(filed.data),
        "group": filed.group,
    }


def filed_from(document: Document) -> Filed:
    """Return the fingerprint of a document; one read without its keys has none."""
    return Filed(
        document["_id"],
        document["dataset_id"],
        tuple(document.get("keys", ())),
        bytes(document["data"]),
        document["group"],
    )


def of_refusal(refusal: Refusal) -> Document:
    """Return the document of a refused file; the same file refused again is one line."""
    name = f"{refusal.dataset_id}:{refusal.file_name}:{refusal.part}:{refusal.code}"
    return {"_id": name} | asdict(refusal)


def refusal_from(document: Document) -> Refusal:
    """Return the refusal of a document."""
    return Refusal(**{name: value for name, value in document.items() if name != "_id"})
