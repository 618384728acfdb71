"""What can be wrong with a question to the lineage service."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class UnknownNodeError(Exception):
    """No event has named such a thing yet."""

    code: ClassVar[str] = "unknown-node"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no event has named {name!r}. Understood are the ids of assets (dataset:digest, or "
            "the digest), tasks, labels, predictions, runs, model versions, dataset versions "
            "(their digest), stages (project/stage), projects, datasets, teams and persons, each "
            "whole or by its first 8 characters or more; or a node as answers name it: kind:id"
        )


class AmbiguousNodeError(Exception):
    """Several things are called this."""

    code: ClassVar[str] = "ambiguous-node"

    def __init__(self, name: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f"{name!r} may be {', '.join(candidates)}{' ...' if len(candidates) > 9 else ''}: "
            "ask for one of these"
        )
        self.extra: Mapping[str, Any] = {"candidates": list(candidates)}


class UnknownEventTypeError(Exception):
    """No event has this type."""

    code: ClassVar[str] = "unknown-event-type"


class ReceiverNotAllowedError(Exception):
    """The platform calls nobody who is not on its list."""

    code: ClassVar[str] = "receiver-not-allowed"


class UnknownWebhookError(Exception):
    """There is no such webhook."""

    code: ClassVar[str] = "unknown-webhook"


class TooManyWebhooksError(Exception):
    """One process serves all webhooks: there are only so many."""

    code: ClassVar[str] = "too-many-webhooks"
