"""How alike two people's labels of one asset are, in one number."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from wakeline_geometry.masks import Size
from wakeline_geometry.matching import Pair, optimal
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Shape


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two lists of shapes matched one to one."""

    score: float
    """The agreement, in [0, 1]."""
    pairs: tuple[Pair, ...]
    """Matched shapes by their positions in the two lists, ordered by the left one."""
    only_left: tuple[int, ...]
    """Positions of shapes that nothing on the right matches."""
    only_right: tuple[int, ...]
    """Positions of shapes that nothing on the left matches."""


def compare(left: Sequence[Shape], right: Sequence[Shape], size: Size) -> Comparison:
    """Match two lists of shapes so that they agree best, and say how well that is.

    Only shapes of equal class are matched, one to one, so that the sum of their overlaps is
    greatest. With n and m shapes the score is ``sum(overlap) / max(n, m)``: each missed,
    invented or misnamed shape counts as an overlap of 0. Two empty lists agree: 1. Overlap is
    ``overlap.pairwise_iou``; a classification is either the same class (1) or not (0).
    Attributes and ids play no part.

    Parameters
    ----------
    size
        ``(height, width)`` of the asset in pixels.

    Raises
    ------
    ValueError
        If a mask is not of the asset's size.
    """
    pairs = sorted(
        pair
        for name in {shape.class_name for shape in left}
        for pair in _match_class(name, left, right, size)
    )
    largest = max(len(left), len(right))
    # Rounding may put a sum of overlaps of 1 a hair above it.
    score = min(1.0, sum(pair.iou for pair in pairs) / largest) if largest else 1.0
    matched_left, matched_right = {p.left for p in pairs}, {p.right for p in pairs}
    return Comparison(
        score=score,
        pairs=tuple(pairs),
        only_left=tuple(i for i in range(len(left)) if i not in matched_left),
        only_right=tuple(j for j in range(len(right)) if j not in matched_right),
    )


def agreement(left: Sequence[Shape], right: Sequence[Shape], size: Size) -> float:
    """The score of ``compare``: symmetric, in [0, 1], 1 for equal lists."""
    return compare(left, right, size).score


def mean_agreement(labels: Sequence[Sequence[Shape]], size: Size) -> float:
    """Mean agreement of every pair of k labels of one asset.

    Raises
    ------
    ValueError
        If there are fewer than two labels.
    """
    scores = [agreement(left, right, size) for left, right in combinations(labels, 2)]
    if not scores:
        raise ValueError("agreement needs at least two labels")
    return sum(scores) / len(scores)


def benchmark_score(trusted: Sequence[Shape], submitted: Sequence[Shape], size: Size) -> float:
    """How well a person's label of a benchmark meets its trusted label, in [0, 1]."""
    return agreement(trusted, submitted, size)


def _match_class(
    name: str, left: Sequence[Shape], right: Sequence[Shape], size: Size
) -> list[Pair]:
    rows = [i for i, shape in enumerate(left) if shape.class_name == name]
    columns = [j for j, shape in enumerate(right) if shape.class_name == name]
    overlaps = pairwise_iou(
        [left[i].geometry for i in rows], [right[j].geometry for j in columns], size
    )
    return [Pair(rows[pair.left], columns[pair.right], pair.iou) for pair in optimal(overlaps)]
