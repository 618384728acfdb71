"""Compares what clients were promised with what the platform has: pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.system.faults.clients import LEASE_SECONDS
from tests.system.faults.evidence import Evidence, Told

VERDICTS = {
    "label.accepted": ("accepted", "corrected", "unreviewed"),
    "label.rejected": ("rejected",),
}
"""Which event tells of which verdicts."""
TELLS = {
    "asset": ("asset.ingested",),
    "label": ("label.completed",),
    "verdict": ("label.accepted", "label.rejected"),
}
"""Which events tell of what clients were promised."""


def violations(evidence: Evidence) -> list[str]:
    """Every broken promise in one line each; an empty list is what we are after."""
    checks = (
        surprises,
        assets,
        labels,
        verdicts,
        leases,
        leftovers,
        streams,
        taken_in,
        witness,
        replays,
    )
    return [line for check in checks for line in check(evidence)]


def surprises(evidence: Evidence) -> Iterator[str]:
    """Answers that no client should get, a 500 above all."""
    for entry in _of(evidence, "surprise"):
        yield f"{entry['asked']} was answered with {entry['status']}: {entry['answer'][:200]}"


def assets(evidence: Evidence) -> Iterator[str]:
    """An acknowledged image is one asset, told once, and one task."""
    ingested, tasks = Counter(_about(evidence, "asset.ingested")), Counter(evidence.tasks)
    for entry in _of(evidence, "asset"):
        asset_id = entry["asset_id"]
        if asset_id not in evidence.assets:
            yield f"asset {asset_id} was acknowledged and is lost"
        elif evidence.assets[asset_id] != "ingested":
            yield f"asset {asset_id} never got into a group"
        if ingested[asset_id] != 1:
            yield f"asset {asset_id} was told {ingested[asset_id]} times"
        if tasks[asset_id] != 1:
            yield f"asset {asset_id} has {tasks[asset_id]} tasks"


def labels(evidence: Evidence) -> Iterator[str]:
    """An acknowledged label is there as it was sent, told once; a refused one is not."""
    promised = {entry["label_id"]: entry for entry in _of(evidence, "label")}
    tried = {entry["lease_id"] for entry in _of(evidence, "submitting")}
    refused = {entry["lease_id"] for entry in _of(evidence, "late")}
    have = {row["label_id"]: row for row in evidence.labels}
    completed = Counter(_about(evidence, "label.completed"))
    for label_id, entry in promised.items():
        if label_id not in have:
            yield f"label {label_id} was acknowledged and is lost"
        elif have[label_id]["shapes"] != entry["shapes"]:
            yield f"label {label_id} is not what was sent"
    for label_id, row in have.items():
        if row["lease_id"] in refused:
            yield f"label {label_id} was refused, and counts"
        elif row["lease_id"] not in tried:
            yield f"label {label_id} was sent by nobody"
        if completed[label_id] != 1:
            yield f"label {label_id} was told {completed[label_id]} times"
    for label_id in completed.keys() - have.keys():
        yield f"label {label_id} was told and is not there"
    for lease_id, count in Counter(row["lease_id"] for row in evidence.labels).items():
        if count > 1:
            yield f"lease {lease_id} became {count} labels"


def verdicts(evidence: Evidence) -> Iterator[str]:
    """An acknowledged verdict stands, was told once, and has reached labeling."""
    told = {name: Counter(_about(evidence, name)) for name in VERDICTS}
    state = {row["label_id"]: row["state"] for row in evidence.labels}
    given = {entry["label_id"]: entry["verdict"] for entry in _of(evidence, "verdict")}
    for label_id, verdict in given.items():
        stands = evidence.reviews.get(label_id)
        if stands != verdict:
            yield f"label {label_id} was {verdict}, and its review says {stands}"
    for label_id, verdict in evidence.reviews.items():
        for name, wanted in VERDICTS.items():
            times = 1 if verdict in wanted else 0
            if told[name][label_id] != times:
                yield f"label {label_id} ({verdict}): {name} was told {told[name][label_id]} times"
        expected = "rejected" if verdict == "rejected" else "accepted"
        if state.get(label_id) != expected:
            yield f"label {label_id} was {verdict}, and labeling says {state.get(label_id)}"
    for label_id in state.keys() - evidence.reviews.keys():
        yield f"label {label_id} has no verdict"


def leases(evidence: Evidence) -> Iterator[str]:
    """Nobody holds what another one holds: no fence is given twice, no two times overlap.

    Each task wants one label here, so its leases are those of one slot.
    """
    begun = {
        e["lease_id"]: e["at"] for e in reversed([*_of(evidence, "submitting", "giving-back")])
    }
    slots: dict[str, list[tuple[int, str, float, float]]] = defaultdict(list)
    seen: dict[str, str] = {}
    for entry in _of(evidence, "lease"):
        if entry["lease_id"] in seen:  # met again after a resume, by its own holder
            if seen[entry["lease_id"]] != entry["person"]:
                yield f"lease {entry['lease_id']} was given to two people"
            continue
        seen[entry["lease_id"]] = entry["person"]
        start, end = _moment(entry["leased_at"]), _moment(entry["expires_at"])
        over = min(end, begun.get(entry["lease_id"], end))
        slots[f"task {entry['task_id']}"].append((entry["fence"], entry["person"], start, over))
    for entry in _of(evidence, "review-lease"):
        end = _moment(entry["expires_at"])
        start = end - LEASE_SECONDS
        slots[f"review {entry['label_id']}"].append((entry["fence"], entry["person"], start, end))
    for slot, held in slots.items():
        held.sort()
        for (fence, person, _, over), (next_fence, other, start, _) in pairwise(held):
            if fence == next_fence and person != other:
                yield f"{slot}: fence {fence} was given to {person} and to {other}"
            elif fence != next_fence and start < over - 0.002:
                late = over - start
                yield f"{slot}: {other} got it {late:.3f} s before {person} was through"


def leftovers(evidence: Evidence) -> Iterator[str]:
    """Everything is sent and taken in, and an outage has poisoned nothing."""
    for service, left in evidence.left.items():
        for name, count in left.items():
            if count:
                yield f"{service}: {count} {name} left"


def streams(evidence: Evidence) -> Iterator[str]:
    """Each stream lies on its topic without a hole, and no event has two faces."""
    faces: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in evidence.events:
        faces[f"{event.topic}|{event.key}"][event.sequence].add(event.id)
    for stream, last in evidence.streams.items():
        missing = set(range(1, last + 1)) - faces.get(stream, {}).keys()
        if missing:
            yield f"{stream}: {sorted(missing)} of {last} were never published"
    for stream, events in faces.items():
        if max(events) > evidence.streams.get(stream, 0):
            yield f"{stream}: {max(events)} was published, its producer knows of less"
        for sequence, ids in events.items():
            if len(ids) > 1:
                yield f"{stream}: sequence {sequence} is {len(ids)} different events"


def taken_in(evidence: Evidence) -> Iterator[str]:
    """Each consumer's mark stands at the end of each stream that it reads."""
    for service, topics in evidence.reads.items():
        marks = evidence.marks.get(service, {})
        for stream, last in evidence.streams.items():
            if stream.split("|", 1)[0] in topics and marks.get(stream, 0) != last:
                yield f"{service} has taken in {marks.get(stream, 0)} of {last} of {stream}"


def witness(evidence: Evidence) -> Iterator[str]:
    """The history that lineage kept is what is on the topics, and what clients were promised."""
    kept, published = Counter(evidence.history), set(evidence.events)
    for event in sorted(published - kept.keys(), key=str):
        yield f"lineage has no {_name(event)}"
    for event, times in kept.items():
        if event not in published:
            yield f"lineage has {_name(event)}, which was never published"
        if times > 1:
            yield f"lineage has {_name(event)} {times} times"
    for gap in evidence.gaps:
        yield f"lineage misses {gap['missing']} of {gap['service']}|{gap['key']}"
    known = {(event.type, event.about) for event in kept}
    for entry in _of(evidence, "asset", "label", "verdict"):
        about = str(entry.get("label_id") or entry.get("asset_id"))
        if not any((kind, about) in known for kind in TELLS[entry["what"]]):
            yield f"lineage knows nothing of {entry['what']} {about}"


def _name(event: Told) -> str:
    return f"{event.type} {event.topic}|{event.key}|{event.sequence}"


def replays(evidence: Evidence) -> Iterator[str]:
    """Everything told once more changes nothing, and told to an empty service gives the same."""
    for name, (before, after) in evidence.hashes.items():
        if before != after:
            yield f"{name}: state {before[:12]} became {after[:12]}"


def _of(evidence: Evidence, *what: str) -> Iterator[dict[str, Any]]:
    return (entry for entry in evidence.ledger if entry["what"] in what)


def _about(evidence: Evidence, event_type: str) -> Iterator[str]:
    """What the different events of a type are about; a copy of one is the same event."""
    seen: set[Told] = {event for event in evidence.events if event.type == event_type}
    return (event.about for event in seen)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
