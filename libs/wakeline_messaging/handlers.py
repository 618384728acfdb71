"""Which event causes which use case: a service's table of handlers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from wakeline_events.base import Event
from wakeline_events.registry import topic_of

E = TypeVar("E", bound=Event)
Handler = Callable[[Any, Any], Awaitable[None]]
Reads = Mapping[str, Iterable[str]]
"""Ids of documents, by collection."""


class Handlers:
    """The events that a service takes in; every other event only moves its mark."""

    def __init__(self) -> None:
        self._by_type: dict[str, Handler] = {}
        self._reads: dict[str, Callable[[Any], Reads]] = {}
        self._classes: set[type[Event]] = set()

    def on(
        self, event: type[E], *, reads: Callable[[E], Reads] | None = None
    ) -> Callable[[Callable[[E, Any], Awaitable[None]]], Callable[[E, Any], Awaitable[None]]]:
        """Register the handler of an event class.

        Parameters
        ----------
        reads
            The documents that the handler will look for by their ids, as far as the event tells:
            those of a whole batch are then read at once.
        """

        def register(
            handler: Callable[[E, Any], Awaitable[None]],
        ) -> Callable[[E, Any], Awaitable[None]]:
            if event.TYPE in self._by_type:
                raise ValueError(f"{event.TYPE} has a handler already")
            self._by_type[event.TYPE] = handler
            if reads is not None:
                self._reads[event.TYPE] = reads
            self._classes.add(event)
            return handler

        return register

    def of(self, event_type: str) -> Handler | None:
        """The handler of an event type, or None if the service does not care."""
        return self._by_type.get(event_type)

    def reads_ahead(self, event_type: str) -> bool:
        """Whether the handler of an event type has said what it will look for."""
        return event_type in self._reads

    def reads(self, event: Event) -> Reads:
        """The documents that an event's handler will look for."""
        return self._reads[event.TYPE](event)

    def topics(self, prefix: str) -> list[str]:
        """The topics that hold these events."""
        return sorted({topic_of(event.PRODUCER, prefix) for event in self._classes})
