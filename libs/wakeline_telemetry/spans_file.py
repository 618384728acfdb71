"""Spans as JSON lines in a file: traces without a collector."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from opentelemetry.sdk.resources import SERVICE_NAME
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

MAX_BYTES = 64 * 1024 * 1024
"""A file that has grown to this size is kept as ``NAME.1`` and a new one begun."""


class SpansFileExporter(SpanExporter):
    """Appends one JSON line for each finished span; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans; a full or missing disk loses them, never the work they describe."""
        lines = b"".join(
            orjson.dumps(_to_dict(span), default=repr, option=orjson.OPT_APPEND_NEWLINE)
            for span in spans
        )
        try:
            # One write to a file opened for appending, so that lines of two processes never mix.
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, lines)
                full = os.fstat(file).st_size > MAX_BYTES
            finally:
                os.close(file)
            if full:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _to_dict(span: ReadableSpan) -> dict[str, Any]:
    start, end = span.start_time or 0, span.end_time or 0
    found = span.context
    return {
        "trace_id": format(found.trace_id, "032x") if found else None,
        "span_id": format(found.span_id, "016x") if found else None,
        "parent_id": format(span.parent.span_id, "016x") if span.parent else None,
        "name": span.name,
        "service": span.resource.attributes.get(SERVICE_NAME),
        "kind": span.kind.name.lower(),
        "start_ns": start,
        "duration_ms": round((end - start) / 1e6, 3),
        "status": span.status.status_code.name.lower(),
        "cause": span.status.description,
        "attributes": dict(span.attributes or {}),
        "links": [format(link.context.trace_id, "032x") for link in span.links],
    }
