"""What several people say of a whole image, decided by who was right more often before."""

from collections.abc import Mapping, Sequence

from wakeline_geometry.reliability import Vote, estimate, likeliest
from wakeline_geometry.shapes import Annotation, Classification

HISTORY = 3_000
"""So many of a stage's last labels say how reliable its people are."""


def said(annotations: Sequence[Annotation]) -> Annotation | None:
    """The one statement of a label about the whole image; None if it makes none, or more."""
    found = [one for one in annotations if isinstance(one.geometry, Classification)]
    return found[0] if len(found) == 1 else None


def decided(
    labels: Mapping[str, Sequence[Annotation]],
    people: Mapping[str, str],
    history: Sequence[Vote],
    proposed: Sequence[Annotation],
) -> Sequence[Annotation]:
    """What is proposed, with the class of the whole image that is the likeliest.

    As it was, where not everybody says exactly one.

    Parameters
    ----------
    labels : of one task, by id
    people : label id -> who made it
    history : what people said of the stage's images before
    """
    statements = {label: said(annotations) for label, annotations in labels.items()}
    of_class: dict[str, Annotation] = {}
    votes = []
    for label in sorted(statements):
        statement = statements[label]
        if statement is None:
            return proposed
        of_class.setdefault(statement.class_name, statement)
        votes.append(Vote("", people[label], statement.class_name))
    if not votes:
        return proposed
    winner = of_class[likeliest(estimate([*history, *votes])[""])]
    shapes = [one for one in proposed if not isinstance(one.geometry, Classification)]
    return [*shapes, winner.model_copy(update={"id": "class"})]


def undecided(ties: Sequence[Annotation], proposed: Sequence[Annotation]) -> int:
    """How many objects no majority speaks of, once the class of the whole image is decided.

    Parameters
    ----------
    ties : one drawing of each object that as many people drew as did not
    proposed : what would count
    """
    whole = said(proposed) is not None
    return sum(not (whole and isinstance(one.geometry, Classification)) for one in ties)
