"""What all tests of the client have in common."""

import pytest

from wakeline_sdk._async import transport as async_transport
from wakeline_sdk._sync import transport


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (transport, async_transport):
        monkeypatch.setattr(module, "_backoff", lambda attempt: 0.01)
