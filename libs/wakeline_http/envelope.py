"""What surrounds every request: its correlation id, its span, its time, and the last resort."""

import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wakeline_http.authentication import PUBLIC_PATHS
from wakeline_http.problems import of_unexpected
from wakeline_telemetry import correlation, metrics, tracing

CLIENT_CLOSED = 499
"""Status in metrics and spans of a request whose caller went away; it is never sent."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Envelope:
    """The outermost middleware: pure ASGI, as anything dearer would be paid by every request.

    The span is our own and not that of OpenTelemetry's FastAPI instrumentation, which costs three
    times what an empty route does.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on inside its envelope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        correlation_header, parent = _ids(scope)
        request = _Request(self._app, correlation.bind(correlation_header))
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        try:
            if not tracing.enabled() or scope["path"] in PUBLIC_PATHS:
                await request.answer(scope, receive, send)
                return
            with tracing.span(method, parent=parent, server=True) as span:
                await request.answer(scope, receive, send)
                span.update_name(f"{method} {_route(scope)}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": _route(scope),
                        "http.response.status_code": request.status,
                        "wakeline.correlation_id": request.correlation_id,
                    }
                )
                if request.status >= 500:
                    span.set_status(tracing.failed(str(request.status)))
        finally:
            metrics.http_seconds.labels(method, _route(scope), str(request.status)).observe(
                time.perf_counter() - began
            )


class _Request:
    """One request on its way: what has been answered so far."""

    __slots__ = ("_app", "_began", "_send", "correlation_id", "status")

    def __init__(self, app: ASGIApp, correlation_id: str) -> None:
        self._app = app
        self._began = False
        self.correlation_id = correlation_id
        self.status = CLIENT_CLOSED

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        try:
            await self._app(scope, receive, self._send_named)
        except ClientDisconnect:
            self.status = CLIENT_CLOSED
        except Exception as error:
            response = of_unexpected(error)
            if self._began:
                # Part of a response is out: only a broken connection can say that it is no good.
                self.status = 500
                raise
            await response(scope, receive, self._send_named)

    async def _send_named(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._began, self.status = True, message["status"]
            header = (b"x-correlation-id", self.correlation_id.encode("ascii"))
            message["headers"] = [*message.get("headers", ()), header]
        await self._send(message)


def _ids(scope: Scope) -> tuple[str | None, str | None]:
    correlation_id = parent = None
    for name, value in scope["headers"]:
        if name == b"x-correlation-id":
            correlation_id = value.decode("latin-1")
        elif name == b"traceparent":
            parent = value.decode("latin-1")
    return correlation_id, parent


def _route(scope: Scope) -> str:
    """Return the route's template, never its path: a metric label must have few values."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return "unmatched" if path is None else path
