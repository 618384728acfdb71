"""A receiver of webhooks as a process of its own: ``python receiver.py PORT FILE [PAUSE]``.

Whatever it answered 204 to is in the file, a JSON line a request. The path decides what it does:
``/moved`` redirects, ``/angry`` refuses.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

PORT, FILE = int(sys.argv[1]), sys.argv[2]
PAUSE = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
LOCK = Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # its sender was killed in the middle of it
        time.sleep(PAUSE)
        if self.path == "/moved":
            self._answer(302, [("Location", f"http://127.0.0.1:{PORT}/")])
            return
        if self.path == "/angry":
            self._answer(500, [], b"not today")
            return
        line = json.dumps({"headers": dict(self.headers), "body": body.decode()}) + "\n"
        with LOCK, open(FILE, "ab", buffering=0) as file:
            file.write(line.encode())
            os.fsync(file.fileno())
        self._answer(204, [])

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
