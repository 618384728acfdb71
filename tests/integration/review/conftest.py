"""The review service, running on real servers."""

from collections.abc import AsyncIterator

import pytest

from wakeline_review.settings import Settings
from wakeline_review.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running, settings_of


@pytest.fixture
async def review(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings_of(scope, "review", Settings)), scope) as running_review:
        yield running_review
