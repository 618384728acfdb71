"""Honest clients: they write down what they ask and what they are promised, and ask until answered.

Nothing here knows of faults. A request whose answer was lost is sent again, with the same
``Idempotency-Key`` or the same fence, as the reference tells clients to do.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import httpx

from tests.system.faults.inflight import Gauge
from tests.system.faults.ledger import Ledger
from tests.system.faults.platform import Platform
from tests.system.faults.subjects import Shapes, Subject
from wakeline_auth import Role

DATASET, PROJECT, STAGE, TEAM = "fields", "weeds", "mark", "crew"
LEASE_SECONDS = 30.0
RETRYABLE = frozenset({429, 502, 503, 504})
NAMED = "x-correlation-id"
"""A header of every answer that a service gives."""
BACKLOG = 40
"""Images that may wait for a label: people never run dry, and the end comes soon."""

PROJECT_DOCUMENT: dict[str, Any] = {
    "project": PROJECT,
    "datasets": [DATASET],
    "ontology": {"classes": [{"name": "weed", "kinds": ["box", "mask", "polygon"]}]},
    "stages": [
        {
            "name": STAGE,
            "team": TEAM,
            "predictors": [{"name": "heuristic.threshold"}],
            "paired_below": 0,
            "control_share": 0.1,
            "benchmark_share": 0.0,
            "holdout_share": 0.2,
            "prelabel_wait_seconds": 2,
            "lease_minutes": LEASE_SECONDS / 60,
            "review": {"share": 0.8, "lease_minutes": LEASE_SECONDS / 60},
            "training": {
                "trainer": "boxes",
                "trigger_labels": 60,
                "parameters": {"seed": 1, "quality": 0.8, "steps": 10, "step_seconds": 0.1},
            },
        }
    ],
}


@dataclass
class Crowd:
    """What all clients share."""

    platform: Platform
    ledger: Ledger
    gauge: Gauge
    seed: int
    subject: Subject
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """No new images; what is there is finished, and nothing is forgotten any more."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    """Images that are assets."""
    labeled: set[str] = field(default_factory=set)
    """Tasks that have a label."""

    def __post_init__(self) -> None:
        """Go on where an earlier run ended."""
        self.sent = sum(1 for _ in self.ledger.of("asset"))
        self.labeled = {entry["task_id"] for entry in self.ledger.of("label")}

    async def pause(self, seconds: float) -> None:
        """Wait, unless it is over."""
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return


class Person:
    """One person with a token, and the patience to be answered."""

    def __init__(self, crowd: Crowd, name: str, role: Role) -> None:
        self.crowd = crowd
        self.name = name
        self.random = Random(f"{crowd.seed}/{name}")
        team = TEAM if role in (Role.LABELER, Role.REVIEWER) else None
        token = crowd.platform.token(name, role, team)
        self._urls = dict(crowd.platform.urls)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(20, connect=2),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self, service: str, method: str, path: str, key: str | None = None, **request: Any
    ) -> httpx.Response:
        """Send a request until it is answered; what should never be answered is written down."""
        headers = {"Idempotency-Key": key} if key else {}
        url = self._urls[service] + path
        while True:
            self.crowd.gauge.requests[service] += 1
            try:
                answer = await self._http.request(method, url, headers=headers, **request)
            except httpx.TransportError:
                answer = None
            finally:
                self.crowd.gauge.requests[service] -= 1
            if answer is not None and answer.status_code not in RETRYABLE:
                if answer.status_code >= 500:
                    self.surprise(f"{method} {path}", answer)
                elif NAMED in answer.headers:
                    return answer
                # Else a gateway of the network has answered: a node that is down has no address.
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    def surprise(self, what: str, answer: httpx.Response) -> None:
        """Write down an answer that no client should get."""
        self.crowd.ledger.write(
            "surprise", asked=what, status=answer.status_code, answer=answer.text[:500]
        )

    def unexpected(self, what: str, answer: httpx.Response, *codes: str) -> str:
        """The code of a refusal; one that is not among ``codes`` is a surprise."""
        code = str(answer.json().get("code")) if answer.content else ""
        if code not in codes:
            self.surprise(what, answer)
        return code


async def prepare(crowd: Crowd) -> None:
    """Make dataset, team and project; nothing happens where they are there."""
    boss = Person(crowd, "boss", Role.ADMIN)
    (shape,) = PROJECT_DOCUMENT["ontology"]["classes"]
    classes = [shape | {"name": name} for name in crowd.subject.classes]
    document = PROJECT_DOCUMENT | {"ontology": {"classes": classes}}
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("ingest", f"/v1/datasets/{DATASET}", {}),
        ("labeling", f"/v1/teams/{TEAM}", {"name": "Crew"}),
        ("labeling", f"/v1/projects/{PROJECT}", document),
    ]
    for service, path, body in steps:
        answer = await boss.ask(service, "PUT", path, json=body)
        assert answer.status_code == 200, answer.text
    await boss.close()


async def upload(crowd: Crowd, worker: int, workers: int) -> None:
    """Send images, numbered so that each is sent again until it is an asset."""
    person = Person(crowd, f"sender{worker}", Role.MANAGER)
    known = {entry["number"] for entry in crowd.ledger.of("asset")}
    number = worker
    while not crowd.closing.is_set():
        if number in known:
            number += workers
            continue
        if crowd.sent - len(crowd.labeled) >= BACKLOG:
            await crowd.pause(0.2)
            continue
        key = f"{crowd.seed}-image-{number}"
        data, its_group = crowd.subject.picture(number)
        form: dict[str, Any] = {"files": {"image": (f"{number}.png", data)}}
        if its_group is not None:
            form["data"] = {"group": its_group}
        path = f"/v1/datasets/{DATASET}/assets"
        answer = await person.ask("ingest", "POST", path, key, **form)
        if answer.status_code not in (200, 201):
            person.surprise("upload", answer)
        else:
            asset_id = answer.json()["asset_id"]
            crowd.ledger.write("asset", number=number, asset_id=asset_id)
            crowd.sent += 1
        number += workers
    await person.close()


async def label(crowd: Crowd, name: str) -> None:
    """Lease and submit; now and then give back, forget, or come too late."""
    person = Person(crowd, name, Role.LABELER)
    held = await person.ask("labeling", "GET", "/v1/leases")
    for lease in held.json()["leases"]:
        _leased(crowd, person, lease)
        await _submit(crowd, person, lease)
    while not crowd.stop.is_set():
        body = {"count": person.random.choice((1, 1, 2))}
        path = f"/v1/projects/{PROJECT}/stages/{STAGE}/leases"
        answer = await person.ask("labeling", "POST", path, uuid4().hex, json=body)
        if answer.status_code != 201:
            person.unexpected("lease", answer, "no-task-available")
            await crowd.pause(0.2)
            continue
        leases = answer.json()["leases"]
        for lease in leases:
            _leased(crowd, person, lease)
        for lease in leases:
            await _work(crowd, person, lease)
    await person.close()


async def _work(crowd: Crowd, person: Person, lease: dict[str, Any]) -> None:
    draw = person.random.random()
    lease_id = lease["lease_id"]
    await person.ask("labeling", "GET", f"/v1/leases/{lease_id}/image")
    if crowd.closing.is_set():
        pass
    elif draw < 0.02:
        return  # forgotten: it runs out
    elif draw < 0.03:
        await crowd.pause(LEASE_SECONDS + 1)
    elif draw < 0.06:
        how = person.random.choice(("return", "skip"))
        crowd.ledger.write("giving-back", lease_id=lease_id)
        path = f"/v1/leases/{lease_id}/{how}"
        answer = await person.ask("labeling", "POST", path, uuid4().hex, json={})
        if answer.status_code != 200:
            person.unexpected(how, answer, *LATE)
        return
    elif draw < 0.10:
        body = {"fence": lease["fence"], "annotations": _shapes(crowd, person, lease)}
        answer = await person.ask("labeling", "PUT", f"/v1/leases/{lease_id}/draft", json=body)
        if answer.status_code != 200:
            person.unexpected("draft", answer, *LATE)
    await _submit(crowd, person, lease)


LATE = ("lease-expired", "fence-outdated", "lease-ended", "no-such-lease")


async def _submit(crowd: Crowd, person: Person, lease: dict[str, Any]) -> None:
    annotations = _shapes(crowd, person, lease)
    about = {"lease_id": lease["lease_id"], "task_id": lease["task_id"]}
    crowd.ledger.write("submitting", **about, shapes=digest(annotations))
    body = {"fence": lease["fence"], "annotations": annotations, "seconds": 1.0}
    path = f"/v1/leases/{lease['lease_id']}/submit"
    answer = await person.ask("labeling", "POST", path, json=body)
    if answer.status_code == 201:
        label_id = answer.json()["label_id"]
        crowd.ledger.write("label", **about, label_id=label_id, shapes=digest(annotations))
        crowd.labeled.add(lease["task_id"])
    else:
        crowd.ledger.write("late", **about, code=person.unexpected("submit", answer, *LATE))


def _leased(crowd: Crowd, person: Person, lease: dict[str, Any]) -> None:
    told = ("lease_id", "task_id", "fence", "leased_at", "expires_at")
    crowd.ledger.write("lease", person=person.name, **{name: lease[name] for name in told})


async def review(crowd: Crowd, name: str) -> None:
    """Accept most labels, correct some, send some back."""
    person = Person(crowd, name, Role.REVIEWER)
    while not crowd.stop.is_set():
        body = {"project": PROJECT, "stage": STAGE, "count": person.random.choice((1, 2))}
        path = "/v1/reviews/leases"
        answer = await person.ask("review", "POST", path, uuid4().hex, json=body)
        if answer.status_code not in (200, 201):
            person.unexpected("review lease", answer, "no-review-available", "unknown-stage")
            await crowd.pause(0.2)
            continue
        leases = answer.json()["leases"]
        for lease in leases:
            told = ("lease_id", "label_id", "fence", "expires_at")
            facts = {one: lease[one] for one in told}
            crowd.ledger.write("review-lease", person=name, **facts)
        for lease in leases:
            await _judge(crowd, person, lease)
    await person.close()


async def _judge(crowd: Crowd, person: Person, lease: dict[str, Any]) -> None:
    draw = person.random.random()
    verdict = "reject" if draw < 0.1 and lease["round"] < 2 else "accept"
    body: dict[str, Any] = {"fence": lease["fence"], "verdict": verdict, "seconds": 1.0}
    if draw > 0.85:
        body |= {"verdict": "correct", "annotations": _shapes(crowd, person, lease)}
    path = f"/v1/reviews/leases/{lease['lease_id']}/verdict"
    about = {"lease_id": lease["lease_id"], "label_id": lease["label_id"]}
    crowd.ledger.write("judging", **about, verdict=body["verdict"])
    answer = await person.ask("review", "POST", path, uuid4().hex, json=body)
    if answer.status_code == 200:
        crowd.ledger.write("verdict", **about, verdict=answer.json()["verdict"])
    else:
        person.unexpected("verdict", answer, "lease-expired", "last-round")


def _shapes(crowd: Crowd, person: Person, lease: Mapping[str, Any]) -> Shapes:
    return crowd.subject.shapes(lease["asset"]["asset_id"], person.random)


def digest(annotations: Sequence[Mapping[str, Any]]) -> str:
    """Of the boxes alone: a service adds where each came from."""
    boxes = sorted((one["id"], one["geometry"]["corners"]) for one in annotations)
    return hashlib.sha256(json.dumps(boxes).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Size:
    """How many people there are."""

    senders: int = 2
    labelers: int = 5
    reviewers: int = 3


async def work(crowd: Crowd, size: Size) -> None:
    """Let everybody work until ``crowd.stop``; whoever has begun something finishes it."""
    async with asyncio.TaskGroup() as group:
        for number in range(size.senders):
            group.create_task(upload(crowd, number, size.senders))
        for number in range(size.labelers):
            group.create_task(label(crowd, f"labeler{number}"))
        for number in range(size.reviewers):
            group.create_task(review(crowd, f"reviewer{number}"))
