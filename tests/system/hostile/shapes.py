"""Geometry that is no geometry, to every route that takes shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.hostile.attack import Attack

BOX = {"kind": "box", "corners": [1, 1, 9, 9]}
GEOMETRIES: Mapping[str, str] = {
    "a box of NaN": '{"kind": "box", "corners": [NaN, 1, 9, 9]}',
    "a box to Infinity": '{"kind": "box", "corners": [1, 1, Infinity, 9]}',
    "a box to 1e308": '{"kind": "box", "corners": [1, 1, 1e308, 9]}',
    "a box to 1e400": '{"kind": "box", "corners": [1, 1, 1e400, 9]}',
    "a box inside out": '{"kind": "box", "corners": [9, 9, 1, 1]}',
    "a box of no width": '{"kind": "box", "corners": [1, 1, 1, 9]}',
    "a box far outside": '{"kind": "box", "corners": [900000, 900000, 999999, 999999]}',
    "a box of text": '{"kind": "box", "corners": ["1; drop", 1, 9, 9]}',
    "a box of five": '{"kind": "box", "corners": [1, 1, 9, 9, 9]}',
    "a box of lists": '{"kind": "box", "corners": [[1], [1], [9], [9]]}',
    "a polygon of two points": '{"kind": "polygon", "parts": [[1, 1, 5, 5]]}',
    "a polygon of an odd number": '{"kind": "polygon", "parts": [[1, 1, 5, 5, 9, 9, 3]]}',
    "a polygon of nothing": '{"kind": "polygon", "parts": []}',
    "a polygon of NaN": '{"kind": "polygon", "parts": [[1, 1, NaN, 5, 9, 9]]}',
    "a polygon of 1,100 parts": '{"kind": "polygon", "parts": ['
    + ",".join(["[1, 1, 5, 5, 9, 1]"] * 1_100)
    + "]}",
    "a mask of another size": '{"kind": "mask", "size": [9999, 9999], "counts": "0"}',
    "a mask of 2^31 rows": '{"kind": "mask", "size": [2147483648, 2147483648], "counts": "0"}',
    "a mask of no size": '{"kind": "mask", "size": [0, 0], "counts": "0"}',
    "a mask that is too short": '{"kind": "mask", "size": [32, 32], "counts": "04"}',
    "a mask that is too long": '{"kind": "mask", "size": [32, 32], "counts": "ooooooooo00000"}',
    "a mask of other characters": '{"kind": "mask", "size": [32, 32], "counts": "\\u0000\\uffff"}',
    "a mask of a million digits": '{"kind": "mask", "size": [32, 32], "counts": "'
    + "0" * 1_000_000
    + '"}',
    "a mask that claims a huge image": '{"kind": "mask", "size": [16384, 16384], '
    '"counts": "0PPPPP8"}',
    "a polygon of 100,000 words": '{"kind": "polygon", "parts": ['
    + ",".join(['["x"]'] * 100_000)
    + "]}",
    "a line of 100,000 words": '{"kind": "polyline", "points": ['
    + ",".join(['"x"'] * 100_000)
    + "]}",
    "an outline of three million pixels": '{"kind": "polygon", "parts": [['
    + "0, 0, 9, 9, " * 170_000
    + "0, 9]]}",
    "a kind that is none": '{"kind": "sphere", "radius": 3}',
    "no kind": '{"corners": [1, 1, 9, 9]}',
    "no object": '"box"',
    "null": "null",
}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "a class that is none": {"class_name": "tree"},
    "a class of 10,000 letters": {"class_name": "w" * 10_000},
    "a class that is an object": {"class_name": {"$ne": ""}},
    "no id": {"id": None},
    "an id of 10,000 letters": {"id": "x" * 10_000},
    "an unknown attribute": {"attributes": {"$where": "1"}},
    "100,000 attributes that are nothing": {"attributes": dict.fromkeys(map(str, range(100_000)))},
    "attributes that are deep": {"attributes": {"a": {"b": {"c": {}}}}},
    "a score of two": {"score": 2},
}
"""What is wrong with a shape whose geometry is good; the last only for predictions."""


def attacks(leased: Mapping[str, Any], reviewed: Mapping[str, Any]) -> Iterator[Attack]:
    """Each bad shape by each route that takes shapes.

    ``leased``, ``reviewed``: a labeler's and a reviewer's living lease, with its ``asset``.
    """
    texts = {name: _shape(geometry) for name, geometry in GEOMETRIES.items()}
    good = {"id": "w", "class_name": "weed", "geometry": BOX}
    texts |= {name: json.dumps(good | dict(more)) for name, more in SHAPES.items()}
    texts["100,000 shapes of nothing"] = ", ".join(["{}"] * 100_000)
    texts["the same id twice"] = f"{json.dumps(good)}, {json.dumps(good)}"
    for name, text in texts.items():
        yield from _by_each_route(name, text, leased, reviewed)


def _by_each_route(
    name: str, shapes: str, leased: Mapping[str, Any], reviewed: Mapping[str, Any]
) -> Iterator[Attack]:
    fence, asset_id = leased["fence"], leased["asset"]["asset_id"]
    project, stage = leased["stage_id"].split("/")
    if name != "a score of two":
        body = f'{{"fence": {fence}, "annotations": [{shapes}]}}'
        path = f"/v1/leases/{leased['lease_id']}"
        yield _sent(name, "labeling", "POST", f"{path}/submit", body, "labeler")
        # A draft is unfinished work: what the ontology forbids may be in it.
        lax = "answered" if name in _UNFINISHED else "refused"
        yield _sent(name, "labeling", "PUT", f"{path}/draft", body, "labeler", lax)
        body = f'{{"fence": {reviewed["fence"]}, "verdict": "correct", "annotations": [{shapes}]}}'
        path = f"/v1/reviews/leases/{reviewed['lease_id']}/verdict"
        yield _sent(name, "review", "POST", path, body, "reviewer")
        body = f'{{"items": [{{"asset_id": "{asset_id}", "annotations": [{shapes}]}}]}}'
        path = f"/v1/projects/{project}/stages/{stage}/benchmarks"
        yield _sent(name, "labeling", "POST", path, body, "admin", "items refused")
    head = f'"project": "{project}", "stage": "{stage}", "predictor": "external", "version": "1"'
    body = f'{{{head}, "items": [{{"asset_id": "{asset_id}", "shapes": [{shapes}]}}]}}'
    # Attributes of a prediction that no label may have are left out when it is shown.
    kept = "answered" if name == "an unknown attribute" else "items refused"
    yield _sent(name, "prediction", "POST", "/v1/predictions", body, "admin", kept)


_UNFINISHED = frozenset(
    {
        "a class that is none",
        "a class of 10,000 letters",
        "an unknown attribute",
        "a box far outside",
        "the same id twice",
        "an id of 10,000 letters",
        "a mask of another size",
        "a mask that claims a huge image",
        "an outline of three million pixels",
    }
)


def _shape(geometry: str) -> str:
    return f'{{"id": "w", "class_name": "weed", "geometry": {geometry}}}'


def _sent(
    name: str,
    service: str,
    method: str,
    path: str,
    body: str,
    role: str,
    expected: Any = "refused",
) -> Attack:
    request = {"content": body.encode(), "headers": {"Content-Type": "application/json"}}
    return Attack("shapes", name, service, method, path, role, expected, request)
