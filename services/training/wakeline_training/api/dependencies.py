"""What the routes of this service are given, and how their lists are paged."""

from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Query

from wakeline_auth import Permission, Principal
from wakeline_events.configuration import Slug
from wakeline_http import decode_cursor, encode_cursor, require
from wakeline_process import Command, command, reader, resources
from wakeline_training.resources import Resources
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork

TrainingCommand = Annotated[Command[MongoTrainingUnitOfWork], Depends(command)]
TrainingReader = Annotated[MongoTrainingUnitOfWork, Depends(reader)]
TrainingResources = Annotated[Resources, Depends(resources)]

TrainsModels = Annotated[Principal, Depends(require(Permission.TRAIN_MODELS))]
ReadsModels = Annotated[Principal, Depends(require(Permission.READ_MODELS))]
PublishesModels = Annotated[Principal, Depends(require(Permission.PUBLISH_MODELS))]
ExportsLabels = Annotated[Principal, Depends(require(Permission.EXPORT_LABELS))]
ReadsLabels = Annotated[Principal, Depends(require(Permission.READ_LABELS))]


class Dated(Protocol):
    """A record that lists are sorted by."""

    @property
    def created_at(self) -> datetime: ...


D = TypeVar("D", bound=Dated)


class Listing:
    """Query parameters of a list: one project's or stage's records, newest first."""

    def __init__(
        self,
        project: Annotated[Slug | None, Query(description="Only of this project.")] = None,
        stage: Annotated[Slug | None, Query(description="Only of its stage of this name.")] = None,
        cursor: Annotated[str | None, Query(max_length=1_000)] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> None:
        self.limit = limit
        self.filter: dict[str, Any] = {}
        if project is not None:
            self.filter["project_id"] = project
        if stage is not None:
            self.filter["stage_id"] = f"{project}/{stage}"
        self.after: tuple[datetime, str] | None = None
        if cursor is not None:
            created_at, name = decode_cursor(cursor, datetime, str)
            self.after = created_at, name

    def next(self, records: list[D], name: str) -> str | None:
        """The cursor that follows a page, if the page is full."""
        if len(records) < self.limit:
            return None
        return encode_cursor(records[-1].created_at, getattr(records[-1], name))


Listed = Annotated[Listing, Depends()]
