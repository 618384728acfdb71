"""Records as documents: the id is ``_id``, everything else is the record's own JSON."""

from collections.abc import Sequence
from typing import TypeVar

from wakeline_prediction.domain.records import Prediction, Stage, Target, UploadedShapes
from wakeline_storage import BufferedCollection, Document

R = TypeVar("R", Stage, Target, UploadedShapes, Prediction)


def document_of(record: Stage | Target | UploadedShapes | Prediction) -> Document:
    """The document of a record."""
    return {"_id": record.id, **record.model_dump(mode="json", exclude={"id"})}


def record_of(kind: type[R], row: Document) -> R:
    """The record of a document."""
    return kind.model_validate({**row, "id": row["_id"]})


async def blobs_among(rows: BufferedCollection, keys: Sequence[str]) -> set[str]:
    """Those of these blobs that hold shapes of documents of a collection."""
    return set(await rows.distinct("shapes.blob.key", {"shapes.blob.key": {"$in": list(keys)}}))
