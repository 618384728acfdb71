"""For integrators: what happens, as it happens, by asking or by being told."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from wakeline_sdk._sync.lineage import SERVICE
from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import HistoryEvent, NewWebhook, Webhook, WebhookTest
from wakeline_sdk.paths import path


class Changes:
    """The history as a feed, which can be taken up again from any position."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self,
        after: int = 0,
        *,
        types: Sequence[str] = (),
        snapshots: bool = False,
        follow: bool = True,
        wait: float = 25.0,
    ) -> Iterator[HistoryEvent]:
        """Every event behind a position, in order; then, as long as it is asked, what comes.

        Parameters
        ----------
        after
            ``position`` of the last event that was dealt with; 0 begins with the first.
        types
            Event types; none: all.
        snapshots
            Also what republishing has only said again.
        follow
            False: end where the history ends now.
        wait
            Seconds that one request waits for an event, 0 to 50.
        """
        wanted = {
            "types": list(types),
            "snapshots": snapshots,
            "wait": wait if follow else 0,
            "limit": 500,
        }
        while True:
            answer = self._transport.json(
                SERVICE, "GET", "/v1/changes", params={**wanted, "after": after}
            )
            for item in answer["items"]:
                yield HistoryEvent.model_validate(item)
            if not follow and not answer["items"]:
                return
            after = answer["position"]

    def position(self) -> int:
        """Where the history ends now: what comes later stands behind it."""
        asked = {"wait": 0, "limit": 1}
        answer = self._transport.json(SERVICE, "GET", "/v1/changes", params=asked)
        return int(answer["head"])


class Webhooks:
    """Receivers that are told what happens by signed requests; for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, url: str, *, types: Sequence[str] = (), after: int | None = None
    ) -> NewWebhook:
        """Add a receiver; the answer holds its secret, this once.

        Parameters
        ----------
        types
            Event types; none: all.
        after
            Everything behind this position is sent; None: what happens from now on.
        """
        body = {"url": url, "types": list(types), "after": after}
        return NewWebhook.model_validate(
            self._transport.json(SERVICE, "POST", "/v1/webhooks", json=body)
        )

    def list(self) -> Iterator[Webhook]:
        """All receivers, oldest first, each with how far it is."""
        for item in self._transport.pages(SERVICE, "/v1/webhooks"):
            yield Webhook.model_validate(item)

    def get(self, webhook_id: str) -> Webhook:
        """A receiver, how far it is, and why it waits if it does."""
        where = path("/v1/webhooks/{}", webhook_id)
        return Webhook.model_validate(self._transport.json(SERVICE, "GET", where))

    def change(
        self, webhook_id: str, *, enabled: bool | None = None, types: Sequence[str] | None = None
    ) -> Webhook:
        """Switch a receiver off or on, or change what it is told."""
        where = path("/v1/webhooks/{}", webhook_id)
        body = {"enabled": enabled, "types": None if types is None else [*types]}
        return Webhook.model_validate(self._transport.json(SERVICE, "PATCH", where, json=body))

    def replay(self, webhook_id: str, start: int | datetime) -> Webhook:
        """Tell a receiver again from a position or a time (with its zone) on."""
        where = path("/v1/webhooks/{}/replay", webhook_id)
        body = {"from": start.isoformat() if isinstance(start, datetime) else start}
        return Webhook.model_validate(self._transport.json(SERVICE, "POST", where, json=body))

    def test(self, webhook_id: str) -> WebhookTest:
        """Send a signed ``webhook.test`` now, and say what the receiver answered."""
        where = path("/v1/webhooks/{}/test", webhook_id)
        return WebhookTest.model_validate(self._transport.json(SERVICE, "POST", where))

    def reseal(self) -> int:
        """Put every secret under the first key of the settings; returns how many were not."""
        answer = self._transport.json(SERVICE, "POST", "/v1/webhooks/reseal")
        return int(answer["resealed"])

    def delete(self, webhook_id: str) -> None:
        """Remove a receiver."""
        self._transport.json(SERVICE, "DELETE", path("/v1/webhooks/{}", webhook_id))
