"""How a service's processes start, what they share, and how they end."""

from wakeline_process.backlog import BacklogError, NotBehind
from wakeline_process.commands import (
    RECORDS,
    Command,
    IdempotencyKeyReusedError,
    StreamedCommand,
    command,
    reader,
    resources,
    shared,
    streamed_command,
)
from wakeline_process.entry import main
from wakeline_process.gathering import Gathering, gathered_writes
from wakeline_process.lines import (
    LINES_BODY,
    Line,
    LineImport,
    Lines,
    Refusal,
    TooManyRefusedError,
)
from wakeline_process.service import (
    HttpSettings,
    Service,
    ServiceSettings,
    service_config,
)

__all__ = [
    "LINES_BODY",
    "RECORDS",
    "BacklogError",
    "Command",
    "Gathering",
    "HttpSettings",
    "IdempotencyKeyReusedError",
    "Line",
    "LineImport",
    "Lines",
    "NotBehind",
    "Refusal",
    "Service",
    "ServiceSettings",
    "StreamedCommand",
    "TooManyRefusedError",
    "command",
    "gathered_writes",
    "main",
    "reader",
    "resources",
    "service_config",
    "shared",
    "streamed_command",
]
