"""What every event of Wakeline is: plain frozen data with a type, a version and a key."""

from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict

AssetId = str
"""``<dataset>:<sha-256 of the bytes>``: the same bytes in two datasets are two assets."""
DatasetId = str
ProjectId = str
StageId = str
"""``<project>/<stage>``."""
TaskId = str
LabelId = str
"""``<task>.<slot>.<round>``."""
PersonId = str
"""Opaque: a name or mail address never enters an event."""
TeamId = str
ServiceName = Literal["ingest", "labeling", "review", "training", "prediction", "lineage"]


class Value(BaseModel):
    """Plain frozen data inside an event; readers ignore what they don't know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Value):
    """Plain frozen data; the outbox adds id, time, producer and sequence.

    The schema of each class is frozen in ``schemas/events/<type>/<version>.json``: a new optional
    field makes ``1.1``; a removed, renamed or newly required one makes ``2``.
    """

    TYPE: ClassVar[str]
    VERSION: ClassVar[str] = "1"
    PRODUCER: ClassVar[ServiceName]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """The event that JSON holds.

        Raises
        ------
        ValueError
            If the data does not fit the schema.
        """
        plain = orjson.loads(data)
        event = cls.model_validate(plain)
        event.__dict__["plain"] = plain  # where cached_property looks: it need not be made again
        return event

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The event as JSON holds it, for a store; not to be changed, everybody gets the same.

        Of an event that was read it is what was read: fields that a newer writer added are in it,
        and defaults that an older one did not know are not.
        """
        return self.model_dump(mode="json")

    def __copy__(self) -> Self:
        """A copy is changed before anybody sees it, so it says by itself what it holds."""
        copied = super().__copy__()
        copied.__dict__.pop("plain", None)
        return copied

    @property
    def key(self) -> str:
        """The Kafka key: events of one key keep their order."""
        raise NotImplementedError(f"{type(self).__name__} names no key")


class AssetEvent(Event):
    """An event about one asset, kept in order with everything else that happens to it."""

    asset_id: AssetId

    @property
    def key(self) -> str:
        """All events of one asset keep their order."""
        return self.asset_id


class StageEvent(Event):
    """An event about one stage of a project."""

    stage_id: StageId

    @property
    def key(self) -> str:
        """All events of one stage keep their order."""
        return self.stage_id


class BlobRef(Value):
    """A value that was too large for an event: where it lies and what it must be."""

    bucket: str
    key: str
    digest: str
    """SHA-256 of the stored bytes, in hex."""
    bytes: int


class Asset(Value):
    """What every consumer needs to know of an image in order to work on it."""

    asset_id: AssetId
    dataset_id: DatasetId
    digest: str
    """SHA-256 of the image's bytes, in hex."""
    width: int
    """Of the upright image, in pixels."""
    height: int
    group: str
    """Assets of one group stay on one side of every split."""
    neighbours: tuple[AssetId, ...] = ()
    """Assets of other groups that this one is a copy or crop of."""
    image: str
    """Key of the bytes in the bucket ``assets``."""
    bands: dict[str, str] = {}
    """Name of an extra band (``nir``) -> key in the bucket ``assets``."""


Moment = datetime
