"""Whether a process lives, whether it can work, and what it measures of itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from wakeline_http.responses import JsonResponse
from wakeline_http.routing import Router
from wakeline_telemetry import metrics

CHECK_LIMIT_SECONDS = 2.0
"""How long one check may take; a store that answers later is as good as away."""

Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]
"""Names every check of a process with why it is not ready, or None where it is."""


def readiness_of(checks: Mapping[str, Callable[[], Awaitable[object]]]) -> Readiness:
    """Combine checks, run side by side and each limited to two seconds, into a readiness.

    A check passes by returning None; it fails by raising, by returning a sentence that says why,
    or by taking too long.
    """

    async def readiness() -> Mapping[str, str | None]:
        verdicts = await asyncio.gather(*(_limited(check) for check in checks.values()))
        return dict(zip(checks, verdicts, strict=True))

    return readiness


async def _limited(check: Callable[[], Awaitable[object]]) -> str | None:
    try:
        async with asyncio.timeout(CHECK_LIMIT_SECONDS):
            reason = await check()
    except TimeoutError:
        return f"no answer within {CHECK_LIMIT_SECONDS:g} s"
    except Exception as error:  # whatever it is, it is why the process is not ready
        return f"{type(error).__name__}: {error}"[:300]
    return None if reason is None else str(reason)


class _SharedReadiness:
    """Lets probes that come while one is under way wait for its verdict: nobody needs a second."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._under_way: asyncio.Task[Mapping[str, str | None]] | None = None

    async def verdict(self) -> Mapping[str, str | None]:
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._judge())
        # Shielded, because a prober that hangs up must not take the verdict from the others.
        return await asyncio.shield(self._under_way)

    async def _judge(self) -> Mapping[str, str | None]:
        try:
            async with asyncio.timeout(CHECK_LIMIT_SECONDS * 1.25):
                return await self._readiness()
        except TimeoutError:
            return {"readiness": f"no verdict within {CHECK_LIMIT_SECONDS * 1.25:g} s"}
        except Exception as error:
            return {"readiness": f"{type(error).__name__}: {error}"[:300]}


def health_router(readiness: Readiness) -> Router:
    """Return the three routes that need no principal."""
    router = Router(tags=["health"])
    shared = _SharedReadiness(readiness)

    @router.get("/health/live", response_class=JsonResponse)
    async def live() -> Response:
        """Answer 200 for as long as the process can answer at all."""
        return JsonResponse({"status": "live"})

    @router.get("/health/ready", response_class=JsonResponse)
    async def ready() -> Response:
        """Answer 200 if every check passes, else 503; the body names each with its reason."""
        checks = dict(await shared.verdict())
        failed = any(reason is not None for reason in checks.values())
        return JsonResponse({"checks": checks}, status_code=503 if failed else 200)

    @router.get("/metrics")
    async def read_metrics() -> Response:
        """Return every metric of this process in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    return router
