"""Which event causes which use case: a service's table of handlers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from wakeline_events.base import Event
from wakeline_events.registry import PRODUCERS, topic_of
from wakeline_messaging.envelope import Envelope

E = TypeVar("E", bound=Event)
Handler = Callable[[Envelope, Any], Awaitable[None]]
Reads = Mapping[str, Iterable[str]]
"""Ids of documents, by collection."""


class Handlers:
    """The events that a service takes in; every other event only moves its mark."""

    def __init__(self) -> None:
        self._by_type: dict[str, Handler] = {}
        self._reads: dict[str, Callable[[Any], Reads]] = {}
        self._classes: set[type[Event]] = set()
        self._every: Handler | None = None

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

            async def read_and_handle(envelope: Envelope, uow: Any) -> None:
                await handler(cast(E, envelope.event()), uow)

            self._by_type[event.TYPE] = read_and_handle
            if reads is not None:
                self._reads[event.TYPE] = reads
            self._classes.add(event)
            return handler

        return register

    def on_every(self, handler: Handler) -> Handler:
        """Register a handler of every event of every topic, unread: of types unknown here too."""
        if self._every is not None or self._by_type:
            raise ValueError("whoever takes in every event has one handler")
        self._every = handler
        return handler

    def of(self, event_type: str) -> Handler | None:
        """The handler of an event type, or None if the service does not care."""
        return self._by_type.get(event_type, self._every)

    def reads_ahead(self, event_type: str) -> bool:
        """Whether the handler of an event type has said what it will look for."""
        return event_type in self._reads

    def reads(self, event: Event) -> Reads:
        """The documents that an event's handler will look for."""
        return self._reads[event.TYPE](event)

    def topics(self, prefix: str) -> list[str]:
        """The topics that hold these events."""
        producers = PRODUCERS if self._every else {event.PRODUCER for event in self._classes}
        return sorted(topic_of(producer, prefix) for producer in producers)
