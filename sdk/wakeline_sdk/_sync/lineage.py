"""For auditors and engineers: where things come from, and every event that was published."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import HistoryEvent, HistoryGaps, LineageNeighbour, LineageNode
from wakeline_sdk.paths import path

SERVICE = "lineage"


class Lineage:
    """The provenance graph, and the history that it is made of.

    A node is named by any id that you have at hand: of an asset, a task, a label, a prediction,
    a model version, a run, a dataset version, a person...
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def trace(self, node: str, *, depth: int = 16, fan: int = 1_000) -> Iterator[LineageNode]:
        """Where something comes from: everything that had a part in it, the nearest first.

        Parameters
        ----------
        depth
            Links that are followed at most, 1 to 50.
        fan
            Neighbours of one node that are followed at most, 1 to 1,000. A node with more says
            so; :meth:`neighbours` lists them all.
        """
        where = path("/v1/lineage/{}/trace", node)
        for item in self._transport.pages(SERVICE, where, {"depth": depth, "fan": fan}):
            yield LineageNode.model_validate(item)

    def impact(self, node: str, *, depth: int = 16, fan: int = 1_000) -> Iterator[LineageNode]:
        """What came of something: everything that it had a part in, bounded as in ``trace``."""
        where = path("/v1/lineage/{}/impact", node)
        for item in self._transport.pages(SERVICE, where, {"depth": depth, "fan": fan}):
            yield LineageNode.model_validate(item)

    def neighbours(self, node: str, direction: str = "back") -> Iterator[LineageNeighbour]:
        """What hangs directly on a node, ``back`` or ``on``, however much that is."""
        where = path("/v1/lineage/{}/neighbours", node)
        for item in self._transport.pages(SERVICE, where, {"direction": direction}):
            yield LineageNeighbour.model_validate(item)

    def history(
        self,
        node: str | None = None,
        *,
        types: Sequence[str] = (),
        key: str | None = None,
        service: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[HistoryEvent]:
        """Every event that fits, in the order in which they were taken in."""
        wanted = {
            "node": node,
            "type": list(types) or None,
            "key": key,
            "service": service,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "limit": 500,
        }
        for item in self._transport.pages(SERVICE, "/v1/history", wanted):
            yield HistoryEvent.model_validate(item)

    def gaps(self) -> HistoryGaps:
        """Whether every stream is there from 1 on, and how many events there are of each type."""
        return HistoryGaps.model_validate(self._transport.json(SERVICE, "GET", "/v1/history/gaps"))
