"""From class, centre and vector maps to masks of single objects.

Every foreground cell votes for the centre that its vector points at; the cells of one centre are
one object, also where leaves of a plant do not touch or two nuclei do. Source: Cheng et al.,
"Panoptic-DeepLab" (CVPR 2020), section 3.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label, maximum_filter
from scipy.spatial import cKDTree

from wakeline_geometry.masks import encode
from wakeline_geometry.shapes import Predicted
from wakeline_models.card import InstanceDecoding, ModelCard
from wakeline_models.windows import Maps

Labels = NDArray[np.int32]
"""The object that each cell belongs to, 0 for none, shape (h, w)."""


def decode(
    maps: Maps, card: ModelCard, settings: InstanceDecoding, size: tuple[int, int]
) -> list[Predicted]:
    """The masks of one image, best first, in image pixels.

    Parameters
    ----------
    maps : float32, shape (K + 4, h, w)
    size
        ``(height, width)`` of the image in pixels.
    """
    background, probabilities = maps[0], maps[1 : len(card.classes) + 1]
    centre, vectors = maps[-3], maps[-2:] * (card.object_size / card.stride)
    foreground = 1.0 - background
    peaks = find_peaks(centre, settings.peak_radius, settings.min_centre)
    peaks = drop_doubles(peaks, vectors, settings.peak_radius)
    labels = group(foreground > 0.5, vectors, peaks)
    certainty = np.full(labels.max(initial=0) + 1, settings.min_centre)
    certainty[1 : len(peaks) + 1] = centre[tuple(peaks.T)]
    found = []
    for number, where in enumerate(find_objects(labels), start=1):
        if where is None:
            continue
        cells = labels[where] == number
        if cells.sum() < settings.min_cells:
            continue
        by_class = probabilities[:, *where][:, cells].mean(axis=1)
        score = float(np.sqrt(certainty[number] * by_class.max()))
        if score >= settings.min_score:
            found.append((min(1.0, score), int(by_class.argmax()), number, where))
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


def find_peaks(centre: NDArray[np.float32], radius: int, least: float) -> NDArray[np.int64]:
    """Cells that are the highest within ``radius`` and at least ``least``.

    Returns
    -------
    int64, shape (N, 2)
        ``(row, column)``, best first.
    """
    is_peak = (centre == maximum_filter(centre, size=2 * radius + 1)) & (centre >= least)
    peaks = np.argwhere(is_peak)
    return peaks[np.argsort(-centre[is_peak], kind="stable")]


def drop_doubles(
    peaks: NDArray[np.int64], vectors: NDArray[np.float32], radius: int
) -> NDArray[np.int64]:
    """Leave out the peaks that vote for a better one: an object has one centre.

    Parameters
    ----------
    peaks : int64, shape (N, 2)
        ``(row, column)``, best first.
    vectors : float32, shape (2, h, w)
        ``(dx, dy)`` to the centre in cells.
    radius
        How near to a better peak a vote must fall, in cells.
    """
    votes = peaks + vectors[::-1, *peaks.T].T
    distances = np.hypot(*np.moveaxis(votes[:, None] - peaks[None], 2, 0))
    kept: list[int] = []
    for i in range(len(peaks)):
        if not kept or distances[i, kept].min() > radius + 0.5:
            kept.append(i)
    return peaks[kept]


def group(
    foreground: NDArray[np.bool_], vectors: NDArray[np.float32], peaks: NDArray[np.int64]
) -> Labels:
    """Give each foreground cell to the centre it votes for, and what votes for none to new objects.

    A vote counts if it misses its centre by at most half of the way it points, or by two cells.

    Parameters
    ----------
    foreground : bool, shape (h, w)
    vectors : float32, shape (2, h, w)
        ``(dx, dy)`` to the centre in cells.
    peaks : int64, shape (N, 2)
        Centres as ``(row, column)``.

    Returns
    -------
    int32, shape (h, w)
        Cells of centre i hold i + 1; connected cells without a centre hold numbers above N.
    """
    labels = np.zeros(foreground.shape, np.int32)
    rows, columns = np.nonzero(foreground)
    if len(peaks) and rows.size:
        dx, dy = vectors[:, rows, columns]
        votes = np.stack([rows + dy, columns + dx], axis=1)
        misses, nearest = cKDTree(peaks).query(votes)
        counts = misses <= np.maximum(2.0, np.hypot(dx, dy) / 2)
        labels[rows[counts], columns[counts]] = nearest[counts] + 1
    left, _ = label(foreground & (labels == 0))
    labels[left > 0] = left[left > 0] + len(peaks)
    return labels


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
