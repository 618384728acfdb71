"""How much a model doubts its own prediction: what orders the queue of tasks."""

from collections.abc import Sequence

from wakeline_geometry.shapes import Predicted


def uncertainty(shapes: Sequence[Predicted]) -> float:
    """Mean doubt over the shapes of one image, in [0, 1].

    A score s is doubted by 4 s (1 - s): most at one half, not at all at 0 or 1. An image with no
    shape at all is not doubted.
    """
    if not shapes:
        return 0.0
    return sum(4 * shape.score * (1 - shape.score) for shape in shapes) / len(shapes)
