"""What became of trainings: a run ends in one state that says why, and makes one model at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pymongo import AsyncMongoClient

from tests.system.faults.evidence import envelopes
from wakeline_training.launching.manifest import RUN as RUN

ENDED = ("completed", "failed", "cancelled")
OWN = "own"
"""The predictor that is the stage's own model."""


@dataclass
class Trainings:
    """Everything that the verdict on them looks at."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    """Rows of training."""
    models: list[dict[str, Any]] = field(default_factory=list)
    jobs: frozenset[str] = frozenset()
    """Runs for which a Job was seen."""
    trained: list[str] = field(default_factory=list)
    """Run of each ``model.trained`` on its topic."""
    published: list[tuple[str, int]] = field(default_factory=list)
    """Model version and serving epoch of each ``model.published``."""


async def gather(dsn: str, bootstrap: str, jobs: Iterable[str]) -> Trainings:
    """Read it all; nothing is moving any more."""
    found = Trainings(jobs=frozenset(jobs))
    async with AsyncMongoClient[dict[str, Any]](dsn) as mongo:
        database = mongo["wakeline_training"]
        found.runs = await database["runs"].find({}).to_list()
        found.models = await database["models"].find({}).to_list()
    seen = set()
    async for event in envelopes(bootstrap, "wakeline.training"):
        if event.id in seen:
            continue  # sent again by a relay that was killed: the same event
        seen.add(event.id)
        data = orjson.loads(event.data)
        if event.type == "model.trained":
            found.trained.append(data["run_id"])
        elif event.type == "model.published":
            found.published.append((data["model_version"], data["serving_epoch"]))
    return found


def violations(found: Trainings) -> list[str]:
    """Every broken promise about trainings in one line each."""
    lines = []
    models, told = Counter(row["run_id"] for row in found.models), Counter(found.trained)
    for row in found.runs:
        run, state = row["_id"], row["state"]
        wanted = 1 if state == "completed" else 0
        if state not in ENDED:
            lines.append(f"run {run} has not ended: it is {state}")
        if state == "failed" and not row["failure"]:
            lines.append(f"run {run} failed and does not say why")
        if models[run] != wanted:
            lines.append(f"run {run} ({state}) made {models[run]} models")
        if told[run] != wanted:
            lines.append(f"run {run} ({state}): model.trained was told {told[run]} times")
    known = {row["_id"] for row in found.runs}
    lines += [f"a Job was at work for run {run}, which is lost" for run in found.jobs - known]
    lines += [f"run {run} is lost, and its model is there" for run in models.keys() - known]
    epochs = Counter(epoch for _, epoch in found.published)
    lines += [f"{n} models were published as epoch {one}" for one, n in epochs.items() if n > 1]
    return lines


def counts(found: Trainings) -> dict[str, Any]:
    """How many runs ended how, for people."""
    verdicts = Counter(_verdict(row) for row in found.models)
    return {
        "runs": dict(Counter(row["state"] for row in found.runs)),
        "why runs failed": dict(
            Counter(row["failure"]["code"] for row in found.runs if row["failure"])
        ),
        "attempts": sum(row["attempt"] for row in found.runs),
        "gate": dict(verdicts),
        "published": len(found.published),
        "macro AP of the last model": _last_quality(found.models),
    }


def _verdict(model: Mapping[str, Any]) -> str:
    return str(model["gate"]["verdict"])


def _last_quality(models: list[dict[str, Any]]) -> float | None:
    if not models:
        return None
    last = max(models, key=lambda row: int(row["number"]))
    ap = last["metrics"].get("ap")
    return round(ap, 3) if ap is not None else None


async def first_prelabels(bootstrap: str) -> dict[str, float]:
    """Predictor -> when its first prediction was made, in seconds since 1970."""
    firsts: dict[str, float] = {}
    async for event in envelopes(bootstrap, "wakeline.prediction"):
        if event.type == "prediction.completed":
            who = str(orjson.loads(event.data)["predictor"])
            moment = event.time.timestamp()
            firsts[who] = min(moment, firsts.get(who, moment))
    return firsts
