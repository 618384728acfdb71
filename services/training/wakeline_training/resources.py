"""What the service holds open beside its database."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from wakeline_blobs import Blobs
from wakeline_training.ports import Archive, Launcher
from wakeline_training.settings import TrainerSettings


@dataclass(frozen=True)
class Resources:
    """The object store, what trains on top of it, and what trainers are told."""

    blobs: Blobs
    """For routes, which answer at once; jobs take the archive, which waits."""
    archive: Archive
    scratch: Path
    """A folder of this process: it goes with it."""
    launcher: Launcher
    trainer: TrainerSettings
    trainer_store: dict[str, str]
    """The contract's ``WAKELINE_S3__...`` variables, with this service's credential."""
    gate_wait: timedelta
