"""From a foreground to single objects: closing gaps, dropping specks, and cutting at necks."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import watershed

Foreground = NDArray[np.bool_]
"""What belongs to any object, shape (H, W)."""
Labels = NDArray[np.int32]
"""The object that each pixel belongs to, 1 to N, 0 for none, shape (H, W)."""

SPECK = 0.05
"""Objects of less than this share of a typical object's area are dropped."""
LEAST_AREA = 9
"""Square pixels below which nothing can be told from noise."""
NECK = 0.9
"""Two parts are cut apart where the neck is narrower than this share of the slimmer part."""
ENOUGH_RADIUS = 12.0
"""Radius in pixels at which the shape of an object shows well enough to cut it."""


def close_gaps(foreground: Foreground, radius: int) -> Foreground:
    """Join what is at most ``2 * radius`` pixels apart.

    The image is continued by mirroring, so that its border attracts nothing.
    """
    if radius < 1:
        return foreground
    padded = cv2.copyMakeBorder(
        foreground.astype(np.uint8), radius, radius, radius, radius, cv2.BORDER_REFLECT
    )
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    return np.asarray(closed[radius:-radius, radius:-radius] > 0)


def fill_holes(foreground: Foreground, largest: float = np.inf) -> Foreground:
    """Fill background that is enclosed by objects, up to ``largest`` square pixels a hole."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(
        (~foreground).astype(np.uint8), connectivity=4
    )
    height, width = foreground.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    inside = (left > 0) & (top > 0)
    inside &= (left + stats[:, cv2.CC_STAT_WIDTH] < width) & (
        top + stats[:, cv2.CC_STAT_HEIGHT] < height
    )
    hole = inside & (stats[:, cv2.CC_STAT_AREA] <= largest)
    hole[0] = False
    return np.asarray(foreground | hole[pieces]) if count > 1 else foreground


def components(foreground: Foreground) -> Labels:
    """Number the connected pieces; pixels that meet at a corner are connected."""
    _, labels = cv2.connectedComponents(foreground.astype(np.uint8), connectivity=8)
    return np.asarray(labels, dtype=np.int32)


def drop_specks(labels: Labels, share: float = SPECK, least: float = LEAST_AREA) -> Labels:
    """Drop what is tiny beside the other objects, and number the rest anew.

    A typical area is the one that half of all object *pixels* lie above: a thousand specks of
    noise do not move it.
    """
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    if not areas.any():
        return labels
    ordered = np.sort(areas)
    typical = ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]
    kept = areas >= max(least, share * typical)
    return renumber(labels, kept)


def drop_large(labels: Labels, largest: float) -> Labels:
    """Drop objects of more than ``largest`` square pixels, and number the rest anew."""
    return renumber(labels, np.bincount(labels.ravel()) <= largest)


def renumber(labels: Labels, kept: NDArray[np.bool_]) -> Labels:
    """Labels 1 to N of what is kept, in their order; ``kept`` has one entry per old label."""
    kept = kept.copy()
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(numbers[labels], dtype=np.int32)


class Neck(NamedTuple):
    """Where two basins meet: the widest place of their common border."""

    low: int
    high: int
    width: float


def split(foreground: Foreground, neck: float = NECK) -> Labels:
    """Number the objects of a foreground, cutting pieces apart at their necks.

    The distance to the background is flooded from its maxima (watershed); basins are joined
    again, widest common border first, where that border is at least ``neck`` times as wide as the
    slimmer of the two parts. A roundish object stays whole at any size. Large objects are cut at
    a smaller scale, for a neck does not need every pixel to be seen.

    Parameters
    ----------
    foreground : bool, shape (H, W)
    neck
        In [0, 1]; 0 cuts nothing.

    Returns
    -------
    int32, shape (H, W)
    """
    pieces = components(foreground)
    if neck <= 0 or not foreground.any():
        return pieces
    depth = cv2.distanceTransform(foreground.astype(np.uint8), cv2.DIST_L2, 5)
    scale = min(1.0, ENOUGH_RADIUS / float(np.quantile(depth[foreground], 0.98)))
    if scale > 0.7:
        return _cut(pieces, np.asarray(depth, np.float32), neck)
    height, width = foreground.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(foreground.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    seen = small >= 128
    cut = _cut(
        components(seen),
        np.asarray(cv2.distanceTransform(seen.astype(np.uint8), cv2.DIST_L2, 5), np.float32),
        neck,
    )
    return _enlarge(cut, foreground, pieces)


def _enlarge(cut: Labels, foreground: Foreground, pieces: Labels) -> Labels:
    """Objects cut at a smaller scale, in full: each pixel goes to the nearest of its object."""
    height, width = foreground.shape
    large = cv2.resize(cut, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    large[~foreground] = 0
    if not large.any():
        return pieces
    _, nearest = cv2.distanceTransformWithLabels(
        (large == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_seed = np.zeros(int(nearest.max()) + 1, np.int32)
    of_seed[nearest[large > 0]] = large[large > 0]
    result = of_seed[nearest]
    # Too thin to be seen at the smaller scale: it stays what it was.
    unseen = np.ones(int(pieces.max()) + 1, dtype=bool)
    unseen[pieces[large > 0]] = False
    result = np.where(unseen[pieces], pieces + int(cut.max()), result)
    result[~foreground] = 0
    return _compact(result)


def _cut(pieces: Labels, depth: NDArray[np.float32], neck: float) -> Labels:
    """Cut pieces at their necks; ``depth`` is the distance to the background in pixels."""
    smooth = cv2.GaussianBlur(depth, (0, 0), 1.0)
    peaks = (smooth >= cv2.dilate(smooth, np.ones((5, 5), np.uint8))) & (depth > 1)
    markers = components(peaks)
    count = int(markers.max())
    contested = _several_peaks(pieces[peaks], markers[peaks], int(pieces.max()))[pieces]
    if not contested.any():
        return pieces
    seeds = np.where(contested, markers, 0)
    basins = watershed(-smooth, seeds, mask=contested)  # type: ignore[no-untyped-call]
    objects = _join(np.asarray(basins, np.int32), np.asarray(smooth), count, neck)
    cut = np.where(contested, objects[basins], pieces + count)
    cut[pieces == 0] = 0
    return _compact(cut)


def _several_peaks(
    pieces: NDArray[np.int32], markers: NDArray[np.int32], last: int
) -> NDArray[np.bool_]:
    """Which pieces have more than one peak, shape (last + 1,); both inputs one entry a pixel."""
    owner = np.zeros(int(markers.max(initial=0)) + 1, np.int64)
    owner[markers] = pieces
    several = np.bincount(owner[1:], minlength=last + 1) > 1
    several[0] = False
    return np.asarray(several)


def _join(basins: Labels, depth: NDArray[np.float32], count: int, neck: float) -> NDArray[np.int32]:
    """The number of the object that each basin belongs to, shape (count + 1,)."""
    radius = np.zeros(count + 1)
    inside = basins > 0
    np.maximum.at(radius, basins[inside], depth[inside])
    parent = np.arange(count + 1, dtype=np.int32)

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = int(parent[number])
        return number

    for low, high, width in _necks(basins, depth):
        a, b = root(low), root(high)
        if a != b and width >= neck * min(radius[a], radius[b]):
            parent[b] = a
            radius[a] = max(radius[a], radius[b])
    return np.asarray([root(number) for number in range(count + 1)], dtype=np.int32)


def _necks(basins: Labels, depth: NDArray[np.float32]) -> list[Neck]:
    """All pairs of basins that touch, widest common border first."""
    pairs, widths = [], []
    for one, other in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :], np.s_[1:, :]),
    ):
        a, b = basins[one], basins[other]
        touch = (a != b) & (a > 0) & (b > 0)
        pairs.append(np.stack([np.minimum(a[touch], b[touch]), np.maximum(a[touch], b[touch])]))
        widths.append(np.minimum(depth[one][touch], depth[other][touch]))
    low, high = np.concatenate(pairs, axis=1).astype(np.int64)
    stride = int(basins.max(initial=0)) + 1
    keys, where = np.unique(low * stride + high, return_inverse=True)
    widest = np.zeros(keys.size)
    np.maximum.at(widest, where, np.concatenate(widths))
    order = np.argsort(-widest, kind="stable")
    return [Neck(int(keys[i] // stride), int(keys[i] % stride), float(widest[i])) for i in order]


def _compact(labels: NDArray[np.int32]) -> Labels:
    """Number what occurs 1 to N, in its order."""
    occurs = np.zeros(int(labels.max(initial=0)) + 1, dtype=bool)
    occurs[labels.ravel()] = True
    return renumber(labels, occurs)
