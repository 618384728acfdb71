"""Every event type has its place in the provenance graph: a new one without a mapping fails here.

Mappings stand in ``services/lineage/wakeline_lineage/domain/mapping.py``.
"""

from pathlib import Path

import pytest

from tests.contract.services import SCHEMAS
from wakeline_events.registry import BY_TYPE
from wakeline_lineage.domain.mapping import TELLS, story_of
from wakeline_lineage.domain.nodes import FIELDS, named_in

EXAMPLES = sorted(SCHEMAS.glob("events/*/examples/*.json"))


def test_every_event_type_has_a_mapping_and_no_other() -> None:
    assert set(TELLS) == set(BY_TYPE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_an_example_names_what_it_is_about(path: Path) -> None:
    event = BY_TYPE[path.parts[-3]].model_validate_json(path.read_bytes())
    story = story_of(event, 7)
    assert story.nodes
    for link in story.links:
        assert {link.source, link.target} <= set(story.nodes)
        assert link.source != link.target
    for name in FIELDS:  # what has the name of an id is a node, of this type as of a later one
        if value := getattr(event, name, None):
            assert next(iter(named_in({name: value}))) in story.nodes
