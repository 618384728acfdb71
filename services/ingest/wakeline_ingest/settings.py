"""Settings of the ingest service."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork

from wakeline_process import ServiceSettings, service_config


class UploadSettings(BaseModel):
    """Declared uploads, which go straight to the object store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_bytes: Annotated[int, Field(ge=1)] = 16 << 30
    """Of one archive, list or table."""
    part_bytes: Annotated[int, Field(ge=1, le=5 << 30)] = 64 << 20
    """Of each part but the last: what is sent again after an interruption."""
    lifetime: timedelta = timedelta(days=1)
    """How long the parts of an upload are kept that is not completed."""
    url_lifetime: timedelta = timedelta(minutes=15)
    """How long a part may be written by its URL."""
    public_endpoint: str | None = None
    """``host:port`` by which clients reach the object store; None: as the services do."""
    public_secure: bool | None = None
    """Whether they do so by TLS; None: as the services do."""


class ArchiveSettings(BaseModel):
    """How much one archive may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_entries: Annotated[int, Field(ge=1)] = 200_000
    max_bytes: Annotated[int, Field(ge=1)] = 64 << 30
    """Of all entries, unpacked."""
    max_ratio: Annotated[int, Field(ge=2)] = 200
    """Bytes that one packed byte may unpack to."""


class UrlSettings(BaseModel):
    """What imports may read from the network. By default nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hosts: tuple[str, ...] = ()
    """``host`` or ``host:port``; ``*.example.org`` for all below."""
    schemes: tuple[Literal["https", "http"], ...] = ("https",)
    networks: tuple[IPvAnyNetwork, ...] = ()
    """Addresses that are not public, and may be read all the same."""
    timeout: timedelta = timedelta(seconds=60)
    """For one image, redirects included."""


class Settings(ServiceSettings):
    """Settings of the ingest service, read once at start: ``WAKELINE_INGEST_MONGO__DSN`` etc."""

    model_config = service_config("ingest")
    max_pixels: Annotated[int, Field(ge=1)] = 100_000_000
    """Images of more pixels are refused by their header, before anything is decoded."""
    max_file_bytes: Annotated[int, Field(ge=1)] = 1 << 30
    """Of each image, band and mask, however it comes, and of a file that comes with a request."""
    refuse_wrong_extensions: bool = True
    """Refuse a file whose name says another image format than its bytes."""
    checks_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Images decoded at the same time; each needs up to a few bytes a pixel and channel. So many
    others are placed at the same time. As many as there are processors is a good choice."""
    upload_folder: Path | None = None
    """Where files lie while they are checked; None: the system's folder for temporary files."""
    scratch_bytes: Annotated[int, Field(ge=128 << 20)] | None = None
    """That may lie there at the same time, of one process; what would not fit is refused, or waits.
    A file of an upload may have a third of it, whatever `max_file_bytes` says. None: any number."""
    source_buckets: tuple[str, ...] = ()
    """Full names of buckets, ``*`` for anything, whose objects may be registered by reference.
    This service's credential, and those of all that read images, must be allowed to read them."""
    uploads: UploadSettings = UploadSettings()
    archives: ArchiveSettings = ArchiveSettings()
    urls: UrlSettings = UrlSettings()
