"""Simulated people are processes with a URL, a token and the truth, and nothing of the inside."""

import subprocess
import sys
from pathlib import Path

import pytest

from wakeline_demo import crew

INSIDE = (
    *("pymongo", "aiokafka", "minio", "fastapi", "torch"),
    *("wakeline_storage", "wakeline_messaging", "wakeline_blobs", "wakeline_process"),
    *("wakeline_embedded", "wakeline_labeling", "wakeline_review", "wakeline_prediction"),
)


def test_the_workforce_loads_nothing_that_could_reach_a_store() -> None:
    listing = "import sys, wakeline_demo.workforce; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "wakeline_sdk" in loaded
    assert [name for name in INSIDE if name in loaded] == []


async def test_a_person_gets_a_token_and_no_credential_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKELINE_LABELING_MONGO__DSN", "mongodb://secret.invalid")
    curious = tmp_path / "python"
    curious.write_text("#!/bin/sh\nenv\n")  # says what it was given, in the place of a person
    curious.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(curious))
    member = await crew.Member.hire("p-1", "the token", {})
    assert member.process.stdout is not None
    said = (await member.process.stdout.read()).decode()
    await member.dismiss()
    assert "WAKELINE_TOKEN=the token" in said
    assert "secret" not in said


def test_what_a_person_is_told_holds_no_secret() -> None:
    told = crew.told("http://127.0.0.1:1", Path("truth"), "p", "s", seed=1, number=2, expert=False)
    assert set(told) == {"url", "truth", "project", "stage", "seed", "number", "expert"}
