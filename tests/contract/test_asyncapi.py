"""The AsyncAPI document says what the services do."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.contract.services import SCHEMAS, SERVICES, consumed_by
from wakeline_events.base import ServiceName
from wakeline_events.registry import EVENT_CLASSES, PRODUCERS, schema_name, topic_of


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    return found


def test_it_is_asyncapi_3_with_what_that_requires(document: dict[str, Any]) -> None:
    assert document["asyncapi"].startswith("3.")
    assert {"title", "version"} <= set(document["info"])
    assert set(document["channels"]) == PRODUCERS
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["messages"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        assert _leads_somewhere(reference, document), reference


def test_the_messages_of_an_operation_are_of_its_channel(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_every_event_is_sent_by_its_producer_on_its_topic_with_its_schema(
    document: dict[str, Any],
) -> None:
    for event in EVENT_CLASSES:
        channel = document["channels"][event.PRODUCER]
        assert channel["address"] == topic_of(event.PRODUCER)
        schema = channel["messages"][event.TYPE]["payload"]["schema"]["$ref"]
        assert schema == f"./{schema_name(event)}"
        assert event.TYPE in _messages(document, "send", event.PRODUCER)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_receives_is_what_it_has_handlers_for(
    name: ServiceName, document: dict[str, Any]
) -> None:
    assert _messages(document, "receive", name) == consumed_by(name)


def _messages(document: dict[str, Any], action: str, service: str) -> set[str]:
    return {
        message["$ref"].rpartition("/")[2]
        for name, operation in document["operations"].items()
        if operation["action"] == action and name.split(".")[0] == service
        for message in operation["messages"]
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _leads_somewhere(reference: str, document: Any) -> bool:
    file, _, pointer = reference.partition("#")
    if file:
        return (SCHEMAS / file).is_file()
    found = document
    for part in pointer.strip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True
