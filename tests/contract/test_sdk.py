"""The SDK stands alone, so what it repeats of the platform must be the same: shapes and paths."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import wakeline_geometry.shapes as platform_shapes
import wakeline_sdk.shapes as sdk_shapes
from tests.contract.services import ROOT, SCHEMAS, SERVICES, operations_of

MODELS = (
    *("Box", "Polygon", "Mask", "Point", "Polyline", "Classification"),
    *("Shape", "Predicted", "Annotation"),
)
CHECKED_BY_THE_SERVER = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("title", "description"),
}
"""Limits on values stand in one place, the platform; what is left is the form."""


@pytest.mark.parametrize("name", MODELS)
def test_a_shape_has_the_same_form_in_the_sdk_and_in_the_platform(name: str) -> None:
    ours, theirs = (_form(getattr(module, name)) for module in (sdk_shapes, platform_shapes))
    assert set(ours["properties"]) == set(theirs["properties"])
    for field in theirs["properties"]:
        assert ours["properties"][field] == theirs["properties"][field], field
    assert ours == theirs


@pytest.mark.parametrize("event", ["label.completed", "prediction.completed"])
def test_shapes_pass_through_the_sdk_unchanged(event: str) -> None:
    data = json.loads((SCHEMAS / "events" / event / "examples" / "full.json").read_text())
    shapes = data["annotations" if event == "label.completed" else "shapes"]["items"]
    name = "Annotation" if event == "label.completed" else "Predicted"
    for shape in shapes:
        through = getattr(sdk_shapes, name).model_validate(shape).model_dump(mode="json")
        assert getattr(platform_shapes, name).model_validate(through).model_dump(mode="json") == {
            **getattr(platform_shapes, name).model_validate(shape).model_dump(mode="json")
        }
        assert through == shape


async def test_every_path_that_the_sdk_asks_for_is_a_route() -> None:
    routes = set()
    for service in SERVICES:
        for _, path in await operations_of(service):
            routes.add(re.sub(r"\{[^}]*\}", "{}", path).replace(f"/operations/{service}", ""))
    asked = {path.replace("/operations/{}", "") for path in _asked_for()}
    assert len(asked) > 30
    for path in asked:
        form = re.compile(re.escape(path).replace(r"\{\}", "[^/]+"))
        assert any(form.fullmatch(route) for route in routes), path


def _form(model: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = _bare(model.model_json_schema(mode="validation"))
    return found


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _bare(value) for key, value in schema.items() if key not in CHECKED_BY_THE_SERVER}
    if "prefixItems" not in kept:  # a tuple's length is its form, a list's is a limit
        kept = {key: value for key, value in kept.items() if key not in ("minItems", "maxItems")}
    if kept.get("default") == {}:
        del kept["default"]
    return kept


def _asked_for() -> set[str]:
    """Every path in the SDK's asynchronous half; the other half is generated from it."""
    found = set()
    for source in Path(ROOT / "sdk" / "wakeline_sdk" / "_async").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if text.startswith("/v1/") and " " not in text:
                    found.add(re.sub(r"\{[^}]*\}", "{}", text))
    return found
