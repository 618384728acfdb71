"""Settings of the ingest service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from wakeline_process import ServiceSettings, service_config


class Settings(ServiceSettings):
    """Settings of the ingest service, read once at start: ``WAKELINE_INGEST_MONGO__DSN`` etc."""

    model_config = service_config("ingest")
    max_pixels: Annotated[int, Field(ge=1)] = 100_000_000
    """Images of more pixels are refused by their header, before anything is decoded."""
    max_file_bytes: Annotated[int, Field(ge=1)] = 1 << 30
    """Of each file of an upload."""
    refuse_wrong_extensions: bool = True
    """Refuse a file whose name says another image format than its bytes."""
    checks_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Images decoded at the same time; each needs up to a few bytes a pixel and channel."""
    upload_folder: Path | None = None
    """Where files lie while they are checked; None: the system's folder for temporary files."""
    source_buckets: tuple[str, ...] = ()
    """Full names of buckets, ``*`` for anything, whose objects may be registered by reference.
    This service's credential, and those of all that read images, must be allowed to read them."""
