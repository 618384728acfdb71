"""A server that answers as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any, dict[str, str]] | None
"""Status, JSON and headers; None hangs up without an answer."""


class Server:
    """A real HTTP server on loopback that answers as a test says, and remembers what it got."""

    def __init__(self, answer: Callable[[str, str, bytes, dict[str, str]], Answer]) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self._body()
                headers = {key.lower(): value for key, value in self.headers.items()}
                if self.path == "/v1/services":
                    names = ("ingest", "labeling", "review", "prediction", "training")
                    self._send(200, dict.fromkeys(names, server.url), {})
                    return
                server.requests.append((self.command, self.path, headers, body))
                answered = answer(self.command, self.path, body, headers)
                if answered is None:
                    self.close_connection = True
                    return
                self._send(*answered)

            do_GET = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _send(self, status: int, value: Any, headers: dict[str, str]) -> None:
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for key, one in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(key, one)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def keys(self) -> list[str | None]:
        """The idempotency key of each request."""
        return [headers.get("idempotency-key") for _, _, headers, _ in self.requests]


@contextmanager
def serving(answer: Callable[[str, str, bytes, dict[str, str]], Answer]) -> Iterator[Server]:
    server = Server(answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()
