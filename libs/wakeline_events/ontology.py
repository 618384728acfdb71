"""What an ontology allows in a label, and what it does not, in words for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from wakeline_events.configuration import AttributeDefinition, ClassDefinition, Ontology
from wakeline_geometry.bounds import problems_of, problems_of_attributes
from wakeline_geometry.shapes import Annotation, AttributeValue, Shape

MAX_ANNOTATIONS = 5_000
"""Annotations that one label may have."""
Annotations = Annotated[list[Annotation], Field(max_length=MAX_ANNOTATIONS, fail_fast=True)]
"""Those of one label as a request brings them. The first bad one is told: a list of all errors
would take a thousand times the memory of the text that they are in."""


def problems_in(
    shapes: Sequence[Shape], ontology: Ontology, *, width: int, height: int
) -> list[str]:
    """Why shapes are no label of an image of this size, in words for people; [] if they are.

    Parameters
    ----------
    width, height
        Of the upright image in pixels.
    """
    if len(shapes) > MAX_ANNOTATIONS:
        return [f"a label has at most {MAX_ANNOTATIONS} annotations, not {len(shapes)}"]
    classes = {definition.name: definition for definition in ontology.classes}
    seen: set[str] = set()
    problems: list[str] = []
    for shape in shapes:
        if shape.id in seen:
            problems.append(f"two annotations have the id {shape.id}")
        seen.add(shape.id)
        problems += [
            f"annotation {shape.id} {problem}"
            for problem in (
                *_misuse(shape, classes),
                *problems_of_attributes(shape),
                *problems_of(shape, width, height),
            )
        ]
    return problems


def _misuse(shape: Shape, classes: Mapping[str, ClassDefinition]) -> Iterator[str]:
    definition = classes.get(shape.class_name)
    if definition is None:
        yield f"is of class {shape.class_name!r}; the ontology has {', '.join(classes)}"
        return
    if shape.geometry.kind not in definition.kinds:
        wanted = " or ".join(definition.kinds)
        yield f"is a {shape.geometry.kind}, but {shape.class_name!r} is drawn as {wanted}"
    known = {attribute.name: attribute for attribute in definition.attributes}
    for name, value in shape.attributes.items():
        if name not in known:
            there = ", ".join(known) or "none"
            yield f"has an attribute {name!r}; class {shape.class_name!r} has {there}"
        elif problem := _wrong_value(known[name], value):
            yield problem
    for attribute in definition.attributes:
        if attribute.required and attribute.name not in shape.attributes:
            yield f"lacks the attribute {attribute.name!r}"


def _wrong_value(attribute: AttributeDefinition, value: AttributeValue) -> str | None:
    fits = {
        "text": isinstance(value, str),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "choice": any(type(value) is type(c) and value == c for c in attribute.choices),
    }[attribute.kind]
    if fits:
        return None
    wanted: str = attribute.kind
    if attribute.kind == "choice":
        wanted = " or ".join(repr(choice) for choice in attribute.choices)
    return f"has {attribute.name} = {value!r}, which should be {wanted}"
