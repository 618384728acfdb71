"""How a service's processes start, what they share, and how they end."""

from wakeline_process.backlog import BacklogError, NotBehind
from wakeline_process.commands import Command, command, reader, resources, shared
from wakeline_process.entry import main
from wakeline_process.gathering import Gathering
from wakeline_process.service import (
    HttpSettings,
    Service,
    ServiceSettings,
    service_config,
)

__all__ = [
    "BacklogError",
    "Command",
    "Gathering",
    "HttpSettings",
    "NotBehind",
    "Service",
    "ServiceSettings",
    "command",
    "main",
    "reader",
    "resources",
    "service_config",
    "shared",
]
