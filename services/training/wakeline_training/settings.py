"""Settings of the training service."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wakeline_process import ServiceSettings, service_config

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
"""As Kubernetes writes it: ``500m``, ``2Gi``."""
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class Resources(BaseModel):
    """What a trainer's pod asks for, and what it may take at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class ProcessLaunch(BaseModel):
    """Trainers are children of the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["process"] = "process"


class JobLaunch(BaseModel):
    """Trainers are Kubernetes Jobs in one namespace; only the process ``run`` calls its API."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["job"] = "job"
    image: Annotated[str, Field(min_length=1)]
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    pull_secrets: tuple[ObjectName, ...] = ()
    namespace: ObjectName | None = None
    """None: that of this pod."""
    name_prefix: Annotated[
        str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=30)
    ] = "wakeline-trainer"
    """Before the name of every Job: two installations in one namespace must differ in it."""
    owner: ObjectName | None = None
    """The Deployment in the same namespace with which the Jobs go. None: nobody owns them."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    resources: Resources = Resources(
        requests={"cpu": "1", "memory": "2Gi"}, limits={"memory": "4Gi"}
    )
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()
    affinity: dict[str, Any] = {}
    priority_class: ObjectName | None = None
    runtime_class: ObjectName | None = None
    service_account: ObjectName | None = None
    """Its token is never mounted."""
    user: Annotated[int, Field(gt=0)] | None = None
    """User and group of the files. None: those of the image, which must not be root."""
    store_secret: ObjectName
    """The Secret with the trainer's credential on the object store; its value is never read."""
    store_access_key: str = "access-key"
    """The key in that Secret under which the access key stands."""
    store_secret_key: str = "secret-key"
    ca_config_map: ObjectName | None = None
    """A ConfigMap with the authority behind the object store's certificate."""
    ca_key: str = "ca.crt"
    work_size: Quantity = "10Gi"
    """Of the folder that a trainer may write to."""
    shared_memory: Quantity | None = None
    """Of ``/dev/shm``; None: what the container runtime gives, 64 MiB mostly."""
    patience: timedelta = timedelta(hours=1)
    """How long a Job may wait for quota, a node or its image."""
    kept: timedelta = timedelta(days=1)
    """How long a Job that has ended can still be looked at."""
    kubeconfig: Path | None = None
    """None: the service account of this pod."""


class TrainerSettings(BaseModel):
    """How trainers are run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    launch: Annotated[ProcessLaunch | JobLaunch, Field(discriminator="kind")] = ProcessLaunch()
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Anything that fulfils the trainer contract. None: the built-in trainer; in a Job, what its
    image starts."""
    nice: Annotated[int, Field(ge=0, le=19)] = 10
    """Of a process."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    max_seconds: Annotated[int, Field(ge=1)] = 90
    """What a trainer is told to take at most, where the stage's policy says nothing."""
    beat: timedelta = timedelta(seconds=2)
    """How often a running trainer is looked after: progress, log, cancellation."""
    grace: timedelta = timedelta(seconds=12)
    """From SIGTERM to SIGKILL; the contract gives a trainer 10 s to save a checkpoint."""


class Settings(ServiceSettings):
    """Settings of the training service, read at start: ``WAKELINE_TRAINING_MONGO__DSN`` etc."""

    model_config = service_config("training")
    trainer: TrainerSettings = TrainerSettings()
    gate_wait: timedelta = timedelta(seconds=60)
    """How long the gate waits for predictions of what serves now."""
