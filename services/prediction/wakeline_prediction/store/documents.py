"""Records as documents: the id is ``_id``, everything else is the record's own JSON."""

from typing import TypeVar

from wakeline_prediction.domain.records import Prediction, Stage, Target, UploadedShapes
from wakeline_storage import Document

R = TypeVar("R", Stage, Target, UploadedShapes, Prediction)


def document_of(record: Stage | Target | UploadedShapes | Prediction) -> Document:
    """The document of a record."""
    return {"_id": record.id, **record.model_dump(mode="json", exclude={"id"})}


def record_of(kind: type[R], row: Document) -> R:
    """The record of a document."""
    return kind.model_validate({**row, "id": row["_id"]})
