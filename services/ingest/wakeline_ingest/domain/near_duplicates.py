"""Near-duplicates: whether two fingerprints are of one picture, re-encoded, resized or cropped."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wakeline_ingest.domain.fingerprints import Fingerprint

MOST_DIFFERENT_BITS = 40
"""Of 128: beyond that two surroundings are not of one place."""
MOST_SEEDS = 40
LEAST_BASE = 12.0
"""Pixels between the two points that a similarity is guessed from."""
TOLERANCE = 3.0
"""Pixels that a point may lie beside where the similarity puts it."""
LEAST_SCALE, MOST_SCALE = 0.25, 4.0
LEAST_POINTS = 4
LEAST_OVERLAP = 0.3
"""Share of the smaller picture that must lie within the other."""
MANY_POINTS = 7
LEAST_CORRELATION = 0.85
LEAST_CORRELATION_OF_FEW = 0.92
"""Fewer points than `MANY_POINTS` meet by chance here and there, so more is asked of the rest."""
LEAST_CORRELATION_OF_WHOLE = 0.95
"""Without common points only two whole pictures are compared, so they must be alike indeed."""
MOST_ASPECT_DIFFERENCE = 0.04
LEAST_PIXELS = 40

_Complex = NDArray[np.complex128]
_Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Similarity:
    """``z -> a * z + b``, or ``a * conj(z) + b`` for a mirrored copy; z in pixels."""

    a: complex
    b: complex
    mirrored: bool

    def __call__(self, z: _Complex) -> _Complex:
        """Map positions of the first picture to the second."""
        return self.a * (z.conj() if self.mirrored else z) + self.b

    def back(self, w: _Complex) -> _Complex:
        """Map positions of the second picture to the first."""
        z: _Complex = (w - self.b) / self.a
        return z.conj() if self.mirrored else z


@dataclass(frozen=True, slots=True)
class Resemblance:
    """How two pictures lie on each other, and how well they agree there."""

    points: int
    """Common keypoints at different places; 0 where the whole pictures were compared."""
    correlation: float
    """Of the grey values in the overlap, -1 to 1; 1 = the same picture."""
    overlap: float
    """Share of the smaller picture that lies within the other, 0 to 1."""
    scale: float
    """Length in the second picture of a pixel of the first."""


def is_copy(a: Fingerprint, b: Fingerprint) -> bool:
    """Say whether one image is a copy of the other, or both show the same part of one picture."""
    return resemblance(a, b) is not None


def resemblance(a: Fingerprint, b: Fingerprint) -> Resemblance | None:
    """Lay two images on each other: by their common points, or as wholes where they have none.

    A similarity transform is sought that brings many keypoints of one image onto those of the
    other; guesses are made from pairs of the most alike surroundings, all of them, instead of a
    random choice, so the answer is always the same. It counts only if the grey values agree there.

    Returns
    -------
    None if the images are not of one picture.
    """
    for mirrored in (False, True):
        theirs = b.mirrored_surroundings() if mirrored else b.surroundings
        first, second = _pairs(a.surroundings, theirs)
        found = _similarity(a.points[first], b.points[second], mirrored)
        if found is None:
            continue
        similarity, points = found
        correlation, overlap = _agreement(a, b, similarity)
        least = LEAST_CORRELATION if points >= MANY_POINTS else LEAST_CORRELATION_OF_FEW
        if correlation >= least and overlap >= LEAST_OVERLAP:
            return Resemblance(points, correlation, overlap, abs(similarity.a))
    return _resemblance_of_wholes(a, b)


def _pairs(a: _Bits, b: _Bits) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair what is most alike from both sides, the most alike pair first."""
    if not len(a) or not len(b):
        nothing = np.zeros(0, np.intp)
        return nothing, nothing
    # Counted as bits of whole words: a product of matrices of this size costs as much in waking
    # the threads of BLAS as in work, and where processors are few they get in each other's way.
    ours, theirs = (_words(bits) for bits in (a, b))
    low, high = np.bitwise_count(ours[:, :, None] ^ theirs[:, None, :])
    different = low + high  # at most 128, so 8 bits hold it
    best = different.argmin(axis=1)
    rows = np.arange(len(a))
    distance = different[rows, best]
    mutual = (different.argmin(axis=0)[best] == rows) & (distance <= MOST_DIFFERENT_BITS)
    order = np.argsort(distance[mutual], kind="stable")
    return rows[mutual][order], best[mutual][order]


def _words(bits: _Bits) -> NDArray[np.uint64]:
    """Return each row's 128 bits as two words, shape (2, N)."""
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64).T


def _similarity(p: _Complex, q: _Complex, mirrored: bool) -> tuple[Similarity, int] | None:
    """Find the similarity that brings most points of ``p`` onto ``q``, and count them."""
    source = p.conj() if mirrored else p
    one, other = np.triu_indices(min(len(p), MOST_SEEDS), 1)
    base, image = source[other] - source[one], q[other] - q[one]
    long = (abs(base) > LEAST_BASE) & (abs(image) > LEAST_BASE)
    one, guesses = one[long], image[long] / base[long]
    sane = (abs(guesses) > LEAST_SCALE) & (abs(guesses) < MOST_SCALE)
    one, guesses = one[sane], guesses[sane]
    if not len(guesses):
        return None
    shifts = q[one] - guesses * source[one]
    near = abs(guesses[:, None] * source[None] + shifts[:, None] - q[None]) < TOLERANCE
    chosen = near[near.sum(axis=1).argmax()]
    a, b = 1 + 0j, 0j
    for _ in range(3):  # least squares on the chosen, then choose again
        if _places(source[chosen]) < LEAST_POINTS:
            return None
        middle, target = source[chosen].mean(), q[chosen].mean()
        centred = source[chosen] - middle
        a = complex(((q[chosen] - target) * centred.conj()).sum() / (abs(centred) ** 2).sum())
        b = complex(target - a * middle)
        chosen = abs(a * source + b - q) < TOLERANCE
    places = _places(source[chosen])
    if places < LEAST_POINTS or not LEAST_SCALE < abs(a) < MOST_SCALE:
        return None
    return Similarity(a, b, mirrored), places


def _places(points: _Complex) -> int:
    """Count different places: SIFT may find one place several times, in several directions."""
    return len(np.unique(np.round(points / TOLERANCE)))


def _agreement(a: Fingerprint, b: Fingerprint, similarity: Similarity) -> tuple[float, float]:
    """Return correlation and overlap of two pictures laid on each other."""
    step_a = a.size[0] / a.picture.shape[1] * abs(similarity.a)
    step_b = b.size[0] / b.picture.shape[1]
    if step_a >= step_b:  # compare at the pixels of the coarser picture
        return _sampled(a, b, similarity(_centres(a)), step_a / step_b)
    return _sampled(b, a, similarity.back(_centres(b)), step_b / step_a)


def _centres(of: Fingerprint) -> _Complex:
    """Return where the small picture's pixels lie among the keypoints, shape (H, W)."""
    rows, columns = of.picture.shape
    y, x = np.mgrid[:rows, :columns]
    across, down = of.size[0] / columns, of.size[1] / rows
    centres: _Complex = (x + 0.5) * across - 0.5 + 1j * ((y + 0.5) * down - 0.5)
    return centres


def _sampled(
    coarse: Fingerprint, fine: Fingerprint, places: _Complex, ratio: float
) -> tuple[float, float]:
    rows, columns = fine.picture.shape
    x = ((places.real + 0.5) * columns / fine.size[0] - 0.5).astype(np.float32)
    y = ((places.imag + 0.5) * rows / fine.size[1] - 0.5).astype(np.float32)
    inside = (x >= -0.5) & (y >= -0.5) & (x <= columns - 0.5) & (y <= rows - 0.5)
    count = int(inside.sum())
    if count < LEAST_PIXELS:
        return 0.0, 0.0
    smooth: Any = fine.picture.astype(np.float32)
    if ratio > 1.1:  # a coarse pixel is the mean of several fine ones
        smooth = cv2.GaussianBlur(smooth, (0, 0), 0.5 * (ratio**2 - 1) ** 0.5)
    values = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    smaller = min(coarse.picture.size, fine.picture.size / ratio**2)
    return _correlation(values[inside], coarse.picture[inside]), min(1.0, count / smaller)


def _resemblance_of_wholes(a: Fingerprint, b: Fingerprint) -> Resemblance | None:
    for turn in range(4):
        turned = np.rot90(b.picture, turn)
        for picture in (turned, turned[:, ::-1]):
            aspect = a.picture.shape[0] * picture.shape[1] / picture.shape[0] / a.picture.shape[1]
            if abs(aspect - 1) > MOST_ASPECT_DIFFERENCE:
                continue
            size = (a.picture.shape[1], a.picture.shape[0])
            theirs = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
            correlation = _correlation(theirs, a.picture)
            if correlation >= LEAST_CORRELATION_OF_WHOLE:
                return Resemblance(0, correlation, 1.0, b.size[0] / a.size[0])
    return None


def _correlation(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    ours = a.astype(np.float64) - float(np.mean(a))  # type: ignore[arg-type]
    theirs = b.astype(np.float64) - float(np.mean(b))  # type: ignore[arg-type]
    spread = float((ours**2).sum() * (theirs**2).sum()) ** 0.5
    return float((ours * theirs).sum()) / spread if spread > 0 else 0.0
