"""From class and vector maps to masks of single objects.

Every foreground cell votes for the place that its vector points at. Where votes heap up is the
centre of an object, and the cells that voted for it are the object: also where the leaves of a
plant do not touch, or two nuclei do. Source: Cheng et al., "Panoptic-DeepLab" (CVPR 2020), section
3, with the centres taken from the votes themselves as in Leibe et al., "Combined object
categorization and segmentation with an implicit shape model" (2004).
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet
from scipy.ndimage import find_objects, gaussian_filter, label, map_coordinates, maximum_filter
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from wakeline_geometry.masks import encode
from wakeline_geometry.shapes import Predicted
from wakeline_models.card import InstanceDecoding, ModelCard
from wakeline_models.windows import Maps

Labels = NDArray[np.int32]
"""The object that each cell belongs to, 0 for none, shape (h, w)."""

NEIGHBOURS = 6
"""How many of the nearest heaps of votes one may be joined with."""


def decode(
    maps: Maps, card: ModelCard, settings: InstanceDecoding, size: tuple[int, int]
) -> list[Predicted]:
    """The masks of one image, best first, in image pixels.

    Parameters
    ----------
    maps : float32, shape (K + 3, h, w)
    size
        ``(height, width)`` of the image in pixels.
    """
    background, probabilities, vectors = maps[0], maps[1:-2], maps[-2:]
    foreground = 1.0 - background
    labels = group(foreground, vectors * (card.object_size / card.stride), settings)
    found = []
    for number, where in enumerate(find_objects(labels), start=1):
        if where is None:
            continue
        cells = labels[where] == number
        by_class = probabilities[:, *where][:, cells].mean(axis=1)
        score = min(1.0, float(by_class.max()))
        if score >= settings.min_score and cells.sum() >= settings.min_cells:
            found.append((score, int(by_class.argmax()), number, where))
    found.sort(key=lambda item: -item[0])
    return [
        Predicted(
            id=f"p{position}",
            class_name=card.classes[best],
            geometry=encode(enlarge(labels, foreground, number, where, size)),
            score=score,
        )
        for position, (score, best, number, where) in enumerate(found)
    ]


def group(
    foreground: NDArray[np.float32], vectors: NDArray[np.float32], settings: InstanceDecoding
) -> Labels:
    """Give each foreground cell to the heap of votes that its own vote is nearest to.

    Parameters
    ----------
    foreground : float32, shape (h, w), in [0, 1]
    vectors : float32, shape (2, h, w)
        ``(dx, dy)`` to the centre in cells.

    Returns
    -------
    int32, shape (h, w)
        Numbered from 1, not every number is used; 0 where no object is.
    """
    labels = np.zeros(foreground.shape, np.int32)
    inside = foreground > 0.5
    if not inside.any():
        return labels
    cells = np.argwhere(inside)
    limits = np.array(foreground.shape) - 1
    votes = np.clip(cells + vectors[::-1, *cells.T].T, 0, limits)
    density = np.zeros(foreground.shape, np.float32)
    np.add.at(density, tuple(np.rint(votes).astype(int).T), 1.0)
    density = gaussian_filter(density, settings.vote_blur, mode="constant")
    peaks = np.argwhere((density == maximum_filter(density, size=3)) & (density > 0))
    _, nearest = cKDTree(peaks).query(votes)
    part, _ = label(inside, np.ones((3, 3)))
    homes = _most_frequent(nearest, part[inside], len(peaks))
    labels[inside] = join(peaks, homes, density, settings.valley)[nearest] + 1
    return labels


def join(
    peaks: NDArray[np.int64],
    homes: NDArray[np.int64],
    density: NDArray[np.float32],
    valley: float,
) -> NDArray[np.int32]:
    """Which object each heap of votes belongs to.

    Heaps flow together as on a sinking waterline: the two with the highest ridge between them
    first. Two groups with the same home are of one object if the votes on that ridge, a straight
    line, stay above ``valley`` times the lower group's peak: the votes of a large object spread,
    but hardly leave gaps. A few stray votes between two objects join one of them, and do not
    bridge both, because then the ridge is measured against the object's peak and not theirs.

    Parameters
    ----------
    peaks : int64, shape (N, 2)
        ``(row, column)`` of the heaps in cells; at least one.
    homes : int64, shape (N,)
        The connected part of the foreground that most of a heap's votes come from.
    density : float32, shape (h, w)
    valley
        In [0, 1].

    Returns
    -------
    int32, shape (N,)
        Numbers of objects, counted from 0.
    """
    count = len(peaks)
    nearest = min(NEIGHBOURS + 1, count)
    _, others = cKDTree(peaks).query(peaks, k=nearest)
    others = others.reshape(count, nearest)
    heights = density[tuple(peaks.T)]
    along = np.linspace(0, 1, 16)
    lines = peaks[:, None, None] + (peaks[others] - peaks[:, None])[:, :, None] * along[:, None]
    lowest = map_coordinates(density, np.moveaxis(lines, 3, 0), order=1).min(axis=2)
    one = lowest >= valley * np.minimum(heights[:, None], heights[others])
    rows, columns = np.nonzero(one & (homes[:, None] == homes[others]))
    groups, tops = DisjointSet(range(count)), heights.copy()
    for edge in np.argsort(-lowest[rows, columns], kind="stable"):
        a, b = groups[rows[edge]], groups[others[rows[edge], columns[edge]]]
        if lowest[rows[edge], columns[edge]] >= valley * min(tops[a], tops[b]):
            groups.merge(a, b)
            tops[groups[a]] = max(tops[a], tops[b])
    roots = [groups[peak] for peak in range(count)]
    return np.asarray(np.unique(roots, return_inverse=True)[1], dtype=np.int32)


def _most_frequent(
    heaps: NDArray[np.int64], parts: NDArray[np.int32], count: int
) -> NDArray[np.int64]:
    """The part that each of ``count`` heaps gets most of its votes from; 0 if it gets none."""
    votes = coo_matrix((np.ones(heaps.size), (heaps, parts)), shape=(count, parts.max() + 1))
    return np.asarray(votes.tocsr().argmax(axis=1), dtype=np.int64).ravel()


def enlarge(
    labels: Labels,
    foreground: NDArray[np.float32],
    number: int,
    where: tuple[slice, slice],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    """Draw one object in image pixels.

    Interpolating the probability, and not the finished mask, keeps outlines finer than a cell.

    Parameters
    ----------
    labels : int32, shape (h, w)
    foreground : float32, shape (h, w)
        Probability that a cell belongs to any object.
    number, where
        The object, and the cells around it.
    size
        ``(height, width)`` of the image in pixels.

    Returns
    -------
    bool, shape (height, width)
    """
    bitmap = np.zeros(size, dtype=bool)
    part, pixels, to_cells = _zoom(where, labels.shape, size)
    shape = tuple(side.stop - side.start for side in pixels)
    near = labels[part]

    def at_pixels(cells: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(
            cv2.warpAffine(
                cells,
                to_cells,
                shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )

    mine = at_pixels((near == number).astype(np.float32))
    others = at_pixels(((near != number) & (near > 0)).astype(np.float32))
    bitmap[pixels] = (at_pixels(foreground[part]) > 0.5) & (mine > others)
    return bitmap


def _zoom(
    where: tuple[slice, slice], cells: tuple[int, ...], size: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice], NDArray[np.float64]]:
    """The cells around an object, the pixels they cover, and the way from these to those."""
    part, pixels, to_cells = [], [], np.zeros((2, 3))
    for axis, (side, count, length) in enumerate(zip(where, cells, size, strict=True)):
        first, last = max(0, side.start - 1), min(count, side.stop + 1)
        ratio = count / length
        begin, end = int(np.floor(first / ratio)), min(length, int(np.ceil(last / ratio)))
        part.append(slice(first, last))
        pixels.append(slice(begin, end))
        row = 1 - axis  # OpenCV counts x before y
        to_cells[row, row] = ratio
        to_cells[row, 2] = (begin + 0.5) * ratio - 0.5 - first
    return (part[0], part[1]), (pixels[0], pixels[1]), to_cells
