"""Sends requests: finds the services, retries what may be retried, turns problems into errors."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from wakeline_sdk._sync.pause import pause
from wakeline_sdk.errors import UnreachableError, error_of
from wakeline_sdk.files import Incoming
from wakeline_sdk.lines import segments
from wakeline_sdk.models import ExportedFile, LinesReport, RefusedLine

Body = Iterator[bytes]
ATTEMPTS = 6
RETRYABLE = frozenset({429, 502, 503, 504})
LONGEST_WAIT = 60.0
"""Seconds; who is asked to come back later than that is told so instead of waiting."""
RETRYABLE_ASIDE = RETRYABLE | {403, 408, 500}
"""Of an object store, by another URL."""


class Transport:
    """One connection pool to all services of a platform.

    Every POST carries an ``Idempotency-Key`` that stays the same over its retries, so that a
    request whose answer was lost has its effect once. Everything else that is sent may be sent
    twice by its nature.
    """

    def __init__(
        self, url: str, token: str, *, timeout: float = 60.0, attempts: int = ATTEMPTS
    ) -> None:
        self._url = url.rstrip("/")
        self._attempts = attempts
        self._services: dict[str, str] | None = None
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        )
        self._bare = httpx.Client(timeout=httpx.Timeout(timeout, connect=5.0))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        self._bare.close()

    def __enter__(self) -> "Transport":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def services(self) -> Mapping[str, str]:
        """Name of each service -> its URL; any one of them knows all.

        Raises
        ------
        UnreachableError
            If nothing answers at the URL, or something else than Wakeline does.
        """
        if self._services is None:
            # Where nothing ever answers, a long patience is of no use.
            attempts = min(self._attempts, ATTEMPTS)
            answer = self._send("GET", f"{self._url}/v1/services", attempts=attempts)
            try:
                found = {str(name): str(url) for name, url in answer.json().items()}
            except (ValueError, AttributeError) as error:
                raise UnreachableError(f"what answers at {self._url} is not Wakeline") from error
            self._services = {name: url.rstrip("/") for name, url in found.items()}
        return self._services

    def json(self, service: str, method: str, path: str, **request: Any) -> Any:
        """Send a request and return the JSON of its answer; None where there is none."""
        answer = self._send(method, self._at(service, path), **request)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise _foreign(answer) from error

    def send_lines(
        self, service: str, path: str, params: Mapping[str, Any], items: Iterable[Mapping[str, Any]]
    ) -> Iterator[LinesReport]:
        """Send items as JSON lines, and say of each request what became of its lines.

        Lines are numbered through all requests. One that breaks off is sent again, and goes on
        where it was.
        """
        url = self._at(service, path)
        for segment in segments(items):
            answer = self._send("POST", url, params=dict(params), content=segment.content)
            summary, *refused = map(json.loads, answer.text.rstrip("\n").split("\n"))
            yield LinesReport(
                lines=segment.first + segment.lines,
                stored=summary["stored"],
                refused=[
                    RefusedLine.model_validate(one | {"line": one["line"] + segment.first})
                    for one in refused
                ],
            )

    def bytes(self, service: str, path: str, params: Mapping[str, Any] | None = None) -> bytes:
        """The bytes of a resource, all in memory: images, never whole datasets."""
        return (self._send("GET", self._at(service, path), params=params)).content

    def put_aside(self, url: str, body: Body, length: int, attempt: int) -> bool:
        """Put bytes to a URL of the object store, which gets no token.

        Returns
        -------
        False, after a while, where another try may do better: by a new URL, since one that is
        some minutes old is refused.

        Raises
        ------
        UnreachableError
            If the store refuses for good, or the last ``attempt`` failed too; the first one is 1.
        """
        last = attempt >= self._attempts
        try:
            headers = {"Content-Length": str(length)}
            answer = self._bare.put(url, content=body, headers=headers)
            if answer.is_success:
                return True
            said = f"{answer.status_code} {answer.text[:200]}"
            last = last or answer.status_code not in RETRYABLE_ASIDE
        except httpx.TransportError as error:
            said = _said(error)
        if last:
            where = url.partition("?")[0]  # the rest is a right to write
            raise UnreachableError(f"the object store takes nothing at {where}: {said}")
        pause(_backoff(attempt))
        return False

    @contextmanager
    def lines(self, service: str, path: str) -> Iterator[Iterator[str]]:
        """The lines of a resource, as they come."""
        url = self._at(service, path)
        try:
            with self._http.stream("GET", url) as answer:
                if answer.is_error:
                    answer.read()
                _refuse(answer)
                yield _lines(answer.iter_text())
        except httpx.TransportError as error:
            raise UnreachableError(f"GET {url}: {error!r}") from error

    def download(
        self,
        service: str,
        path: str,
        params: Mapping[str, Any],
        out: Path,
        progress: Callable[[int], None] | None = None,
    ) -> ExportedFile:
        """Write a resource into a file, which is there, whole, or not at all.

        Parameters
        ----------
        progress
            Called with the number of bytes so far.
        """
        url = self._at(service, path)
        wanted = {key: value for key, value in params.items() if value is not None}
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            with Incoming(out) as incoming:
                try:
                    with self._http.stream("GET", url, params=wanted) as answer:
                        if answer.is_error:
                            answer.read()
                        seconds = None if last else _wait_after(answer, attempt)
                        if seconds is None:
                            _refuse(answer)
                            for chunk in answer.iter_bytes():
                                incoming.write(chunk)
                                if progress is not None:
                                    progress(incoming.bytes)
                            return incoming.finish()
                except httpx.TransportError as error:
                    if last:
                        raise UnreachableError(f"GET {url}: {_said(error)}") from error
                    seconds = _backoff(attempt)
            pause(seconds)
        raise AssertionError("unreachable")

    def pages(
        self, service: str, path: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """Every item of a paged list."""
        wanted = {k: v for k, v in (params or {}).items() if v is not None}
        while True:
            page = self.json(service, "GET", path, params=wanted)
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            wanted["cursor"] = page["next"]

    def _at(self, service: str, path: str) -> str:
        services = self.services()
        if service not in services:
            running = ", ".join(sorted(services)) or "none"
            raise UnreachableError(
                f"the platform at {self._url} runs no service {service!r}; it runs: {running}"
            )
        return services[service] + path

    def _send(
        self, method: str, url: str, attempts: int | None = None, **request: Any
    ) -> httpx.Response:
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        files = request.pop("files", None)
        most = attempts or self._attempts
        for attempt in range(1, most + 1):
            last = attempt == most
            try:
                # Files are opened anew for each try: a half-sent one cannot be sent again.
                opened = files() if callable(files) else files
                answer = self._http.request(method, url, headers=headers, files=opened, **request)
            except httpx.TransportError as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    raise UnreachableError(f"no answer from {url}: {_said(error)}") from error
                pause(_backoff(attempt))
                continue
            seconds = None if last else _wait_after(answer, attempt)
            if seconds is None:
                _refuse(answer)
                return answer
            pause(seconds)
        raise AssertionError("unreachable")


def _wait_after(answer: httpx.Response, attempt: int) -> float | None:
    """Seconds before a request is sent again; None if this is its answer."""
    if _is_foreign(answer):
        return _backoff(attempt)
    if answer.status_code not in RETRYABLE:
        return None
    after = answer.headers.get("Retry-After", "")
    seconds = float(after) if after.isdigit() else _backoff(attempt)
    return seconds if seconds <= LONGEST_WAIT else None


def _refuse(answer: httpx.Response) -> None:
    """Raise what an answer amounts to, unless it is what was asked for."""
    if _is_foreign(answer):
        raise _foreign(answer)
    if answer.is_error:
        raise error_of(answer.status_code, _problem(answer))


def _is_foreign(answer: httpx.Response) -> bool:
    """Whether a gateway, or a network that wants a login, has answered in the platform's place.

    While a service restarts they say 404 as well as 502; nobody may take that for the platform's
    word. Its own refusals are problems with a code, and it sends no one elsewhere.
    """
    if answer.is_error:
        return "code" not in _problem(answer)
    html = answer.headers.get("Content-Type", "").startswith("text/html")
    return html or not answer.is_success


def _foreign(answer: httpx.Response) -> UnreachableError:
    where = str(answer.url).partition("?")[0]
    return UnreachableError(f"what answers at {where} is not Wakeline: {answer.status_code}")


def _backoff(attempt: int) -> float:
    """Seconds before the next try: doubling, with jitter, 5 s at most."""
    return min(5.0, 0.1 * 2.0**attempt) * random.uniform(0.5, 1.0)


def _said(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        return {"detail": answer.text[:300]}
    return problem if isinstance(problem, dict) else {"detail": str(problem)}


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Lines of a text that comes in pieces; text within them may hold Unicode's other line ends."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield line
    if rest:
        yield rest
