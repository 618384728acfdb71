"""What an ontology allows in a label, and which labels a change of it would orphan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from wakeline_events.configuration import AttributeDefinition, ClassDefinition, Ontology
from wakeline_geometry.bounds import problems_of
from wakeline_geometry.shapes import AttributeValue, Shape

MAX_ANNOTATIONS = 5_000
"""Annotations that one label may have."""


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
                *problems_of(shape, width, height),
            )
        ]
    return problems


def words_of(shapes: Iterable[Shape]) -> tuple[str, ...]:
    """The words of the ontology that shapes use: ``class``, ``class/kind``, ``class.attribute``.

    No two differ only by where a word ends: each part is quoted as in a URL path.
    """
    words: set[str] = set()
    for shape in shapes:
        name = _quoted(shape.class_name)
        words |= {name, f"{name}/{shape.geometry.kind}"}
        words |= {f"{name}.{_quoted(attribute)}" for attribute in shape.attributes}
    return tuple(sorted(words))


def lost_words(before: Ontology, after: Ontology) -> dict[str, str]:
    """Words that a change takes away -> what to say if labels use them."""
    lost: dict[str, str] = {}
    classes = {definition.name: definition for definition in after.classes}
    for old in before.classes:
        name = _quoted(old.name)
        new = classes.get(old.name)
        if new is None:
            lost[name] = f"class {old.name!r} would go"
            continue
        for kind in sorted(set(old.kinds) - set(new.kinds)):
            lost[f"{name}/{kind}"] = f"class {old.name!r} would no longer be drawn as {kind}"
        kept = {attribute.name for attribute in new.attributes}
        for attribute in old.attributes:
            if attribute.name not in kept:
                word = f"{name}.{_quoted(attribute.name)}"
                lost[word] = f"attribute {attribute.name!r} of class {old.name!r} would go"
    return lost


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


def _quoted(word: str) -> str:
    return word.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")
