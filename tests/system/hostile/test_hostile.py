"""Hostile inputs are refused with a reason, and a platform that got them works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.hostile import records
from tests.system.hostile.attack import Attack, wrong
from tests.system.hostile.run import (
    Report,
    Target,
    all_attacks,
    look_after,
    prepare,
    publish,
    refused_records,
    sample,
    send,
)

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

REQUESTS = 350
SEED = 6
PROBLEM = b'{"type": "x", "title": "X", "status": 422, "code": "invalid-request", "detail": "why"}'
TYPE = "application/problem+json"


@pytest.mark.timeout(600)
async def test_hostile_inputs_are_refused_with_a_reason_and_break_nothing(tmp_path: Path) -> None:
    report = Report()
    async with Target.running(tmp_path) as target:
        leased, reviewed = await prepare(target)
        before = target.pids()
        attacks = sample(await all_attacks(target, leased, reviewed, each=1), REQUESTS, SEED)
        await send(target, attacks, report)
        bad = [one for one in records.records("short") if _is_no_event(one)]
        await publish(target, bad[::2], report)
        await look_after(target, before, report)
        set_aside = await refused_records(target)
    print(report)
    assert report.wrong == []
    assert sum(report.sent.values()) > 350
    assert set(set_aside) == {"labeling", "review", "training", "prediction", "lineage"}


def _is_no_event(record: records.Record) -> bool:
    """Those are set aside at once; a bad event is tried for half a minute first."""
    return "without headers" in record.name or record.name.startswith("no ")


@pytest.mark.parametrize(
    ("status", "content_type", "body", "complaint"),
    [
        (500, TYPE, PROBLEM, "was answered with 500"),
        (503, TYPE, PROBLEM, "was answered with 503"),
        (200, "application/json", b"{}", "was taken with 200"),
        (422, "text/plain", b"no", "is no problem document"),
        (422, TYPE, b"no", "is not JSON"),
        (422, TYPE, PROBLEM.replace(b'"invalid-request"', b"null"), "has no code"),
        (422, TYPE, PROBLEM.replace(b"why", b""), "gives no reason"),
    ],
)
def test_a_bad_answer_is_told(status: int, content_type: str, body: bytes, complaint: str) -> None:
    attack = Attack("bodies", "a bomb", "ingest", "POST", "/v1/x")
    assert complaint in str(wrong(attack, status, content_type, body))
    assert wrong(attack, 422, TYPE, PROBLEM) is None
