"""A service as one object: what its wiring hands to the processes."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from wakeline_auth import AuthSettings
from wakeline_blobs import BlobSettings
from wakeline_events.base import Event, ServiceName
from wakeline_messaging import Handlers, Jobs, KafkaSettings, Scope, UnitOfWork
from wakeline_storage import Migration, MongoSettings
from wakeline_telemetry import TelemetrySettings

U = TypeVar("U", bound=UnitOfWork[Any])
R = TypeVar("R")
SECRETS_DIR: Final = "WAKELINE_SECRETS_DIR"
"""Names a folder with one file a setting, called like its variable without ``WAKELINE_<SERVICE>_``:
a mounted Secret. What stands in the environment goes before what stands there."""
StatePage = Callable[[U, str | None, str, int], Awaitable[Sequence[tuple[str, Event]]]]
"""``(unit of work, key or None, after, limit)`` -> the next events, each with its place in an order
that does not change; the key is that of the events, and None means all."""


class HttpSettings(BaseModel):
    """Where a process answers: its routes if it serves, and always its health."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str = "127.0.0.1"
    port: int


class ServiceSettings(BaseSettings):
    """What every service must know; each adds its own."""

    mongo: MongoSettings
    kafka: KafkaSettings
    blobs: BlobSettings
    auth: AuthSettings
    http: HttpSettings
    telemetry: TelemetrySettings = TelemetrySettings()
    services: dict[str, str] = {}
    """Name of each service -> its public base URL, told to clients at ``/v1/services``."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, and beneath it the files of ``WAKELINE_SECRETS_DIR``."""
        folder = os.environ.get(SECRETS_DIR)
        if folder is None:
            return init_settings, env_settings
        files = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=folder,
            secrets_dir_missing="error",
            secrets_prefix="",
        )
        return init_settings, env_settings, files


def service_config(name: ServiceName) -> SettingsConfigDict:
    """Settings come from ``WAKELINE_<SERVICE>_...``; a misspelt one stops the start."""
    return SettingsConfigDict(
        env_prefix=f"WAKELINE_{name.upper()}_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a misspelt name must not write its secret into the log
    )


@dataclass(frozen=True)
class Service(Generic[U, R]):
    """Everything that the processes of one service need."""

    name: ServiceName
    settings: ServiceSettings
    unit_of_work: Callable[[Scope, R], U]
    resources: Callable[[], AbstractAsyncContextManager[R]]
    """Opens what the service needs beside its database, and closes it at the end."""
    migrations: Sequence[Migration]
    routers: Sequence[APIRouter] = ()
    problems: Mapping[type[Exception], int] = field(default_factory=dict)
    handlers: Handlers | None = None
    jobs: Jobs | None = None
    states: Mapping[str, "StatePage[U]"] = field(default_factory=dict)
    """Event type -> what says it again of the state as it is now, a page at a time."""
    gauges: Callable[[U], Awaitable[None]] | None = None
    """Sets what else is measured of the service's state, every few seconds, in every process."""
    checks: Callable[[R], Mapping[str, Callable[[], Awaitable[object]]]] | None = None
    """What has to answer for this service to be ready, beside MongoDB and Kafka."""
    rights: Callable[[R], Mapping[str, Callable[[], Awaitable[Sequence[str]]]]] | None = None
    """What ``check`` asks of more than the stores: whom -> what is lacking there, in words."""
