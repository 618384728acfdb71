"""Records as MongoDB keeps them: the id under ``_id``, everything else under its own name."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from wakeline_labeling.domain.records import Record
from wakeline_storage import Document

R = TypeVar("R", bound=Record)


def document_of(record: Record) -> Document:
    """The record as a document."""
    document = record.model_dump()
    if "id" in document:
        document["_id"] = document.pop("id")
    return document


def record_of(kind: type[R], document: Mapping[str, Any]) -> R:
    """The document as a record."""
    fields = dict(document)
    if "_id" in fields:
        fields["id"] = fields.pop("_id")
    return kind.model_validate(fields)


def maybe(kind: type[R], document: Mapping[str, Any] | None) -> R | None:
    """The document as a record, or None if there is none."""
    return None if document is None else record_of(kind, document)


def records_of(kind: type[R], documents: Iterable[Mapping[str, Any]]) -> list[R]:
    """The documents as records."""
    return [record_of(kind, document) for document in documents]


def literal(value: Any) -> Mapping[str, Any]:
    """A value inside of a pipeline, where a string that begins with ``$`` would be a path."""
    return {"$literal": value}
