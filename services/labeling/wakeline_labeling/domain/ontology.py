"""The words of an ontology that labels use, and which labels a change of it would orphan."""

from collections.abc import Iterable

from wakeline_events.configuration import Ontology
from wakeline_geometry.shapes import Shape


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


def class_word(name: str) -> str:
    """The word that every label has which uses a class."""
    return _quoted(name)


def _quoted(word: str) -> str:
    return word.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")
