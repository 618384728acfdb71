"""Events stay readable: frozen schemas, and examples that were stored once and still fit."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from schemas import generate

from tests.contract.services import SCHEMAS
from wakeline_events.base import Event
from wakeline_events.registry import BY_TYPE, EVENT_CLASSES, schema_name, topic_of
from wakeline_messaging.envelope import MAX_EVENT_BYTES, Envelope, encode

EXAMPLES = sorted(SCHEMAS.glob("events/*/examples/*.json"))
PERSONAL = {
    *("name", "first_name", "last_name", "surname", "email", "mail", "phone", "address"),
    *("comment", "file_name", "filename", "path", "exif", "gps", "ip", "birth_date"),
}
NAMES_OF_THINGS = {
    "ClassDefinition": "a class of the ontology",
    "AttributeDefinition": "a property of a class",
    "StagePolicy": "a stage",
    "PredictorChoice": "a predictor",
}
"""Where ``name`` is not a person's."""


def test_frozen_schemas_are_what_the_classes_give_and_asyncapi_is_up_to_date() -> None:
    assert generate.problems(SCHEMAS) == []


def test_a_changed_class_is_noticed(tmp_path: Path) -> None:
    generate.problems(tmp_path, write=True)
    frozen = tmp_path / schema_name(BY_TYPE["task.closed"])
    schema = json.loads(frozen.read_text())
    schema["properties"]["why"] = schema["properties"].pop("reason")
    frozen.write_text(json.dumps(schema))
    assert generate.problems(tmp_path, write=True) == [
        "events/task.closed/1.json is frozen and TaskClosed differs"
    ]


def test_better_words_make_no_new_version() -> None:
    schema = generate.schema_of(BY_TYPE["task.closed"])
    reworded = {**schema, "description": "Other words."}
    assert generate.same_meaning(schema, reworded)
    assert not generate.same_meaning(schema, {**schema, "required": ["asset_id"]})


def test_every_schema_has_a_class_and_every_class_a_schema() -> None:
    folders = {path.name for path in (SCHEMAS / "events").iterdir()}
    assert folders == set(BY_TYPE)
    for event in EVENT_CLASSES:
        versions = {p.stem for p in (SCHEMAS / "events" / event.TYPE).glob("*.json")}
        assert event.VERSION in versions
        assert all(int(v.split(".")[0]) <= int(event.VERSION.split(".")[0]) for v in versions)


@pytest.mark.parametrize("event", EVENT_CLASSES, ids=lambda e: e.TYPE)
def test_a_full_example_has_every_field_and_a_minimal_one_only_what_it_must(
    event: type[Event],
) -> None:
    schema = generate.schema_of(event)
    full, minimal = (_example(event.TYPE, name) for name in ("full", "minimal"))
    assert set(full) == set(schema["properties"])
    assert set(minimal) == set(schema["required"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_stored_example_fits_its_schema_and_its_class(path: Path) -> None:
    event_class = BY_TYPE[path.parts[-3]]
    example = json.loads(path.read_text())
    schema = json.loads((SCHEMAS / schema_name(event_class)).read_text())
    checker = jsonschema.FormatChecker()
    jsonschema.validate(example, schema, format_checker=checker)
    event = event_class.model_validate_json(path.read_bytes())
    assert json.loads(event.model_dump_json(exclude_unset=True)) == example
    sent = encode(event)
    jsonschema.validate(json.loads(sent), schema, format_checker=checker)
    assert event_class.model_validate_json(sent) == event
    assert len(sent) < MAX_EVENT_BYTES
    assert event.key


def test_the_formats_of_schemas_are_really_checked() -> None:
    schema = generate.schema_of(BY_TYPE["lease.ended"])
    example = _example("lease.ended", "full") | {"ended_at": "yesterday"}
    with pytest.raises(jsonschema.ValidationError, match="yesterday"):
        jsonschema.validate(example, schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_a_reader_ignores_what_a_newer_writer_adds(path: Path) -> None:
    event_class = BY_TYPE[path.parts[-3]]
    newer = _with_news(json.loads(path.read_text()))
    jsonschema.validate(newer, json.loads((SCHEMAS / schema_name(event_class)).read_text()))
    assert _received(event_class, newer) == event_class.model_validate_json(path.read_bytes())


@pytest.mark.parametrize("event", EVENT_CLASSES, ids=lambda e: e.TYPE)
def test_no_event_has_a_field_for_personal_data(event: type[Event]) -> None:
    schema = generate.schema_of(event)
    objects = {event.TYPE: schema, **schema.get("$defs", {})}
    found = {
        f"{title}.{field}"
        for title, value in objects.items()
        for field in value.get("properties", {})
        if field.lower() in PERSONAL
    }
    assert found <= {f"{title}.name" for title in NAMES_OF_THINGS}


def _received(event_class: type[Event], data: dict[str, Any]) -> Event:
    """What a handler gets of a record with these data."""
    envelope = Envelope(
        topic=topic_of(event_class.PRODUCER),
        key="key",
        sequence=1,
        id="id",
        type=event_class.TYPE,
        dataschema=schema_name(event_class),
        time=datetime.now(UTC),
        data=json.dumps(data).encode(),
    )
    return envelope.event()


def _example(event_type: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (SCHEMAS / "events" / event_type / "examples" / f"{name}.json").read_text()
    )
    return found


MAPS = {"attributes", "bands", "metrics", "parameters", "splits", "upstream_masks"}
"""Their keys are data, not fields."""


def _with_news(value: Any, name: str = "") -> Any:
    """The same with a field that nobody knows, in every object at every depth."""
    if isinstance(value, list):
        return [_with_news(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _with_news(item, key) for key, item in value.items()}
    if name in MAPS or name == "per_class_upper_95":
        return inner
    return inner | {"added_in_a_later_version": {"by": "somebody"}}
