"""Fingerprints: what is kept of an image in order to recognise its copies and crops later."""

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WORK_AREA = 320 * 240
"""Images are shrunk to this many pixels first, so that a resized copy has the same details."""
MOST_KEYPOINTS = 128
THUMBNAIL_SIDE = 64
KEY_TABLES, KEY_BITS = 4, 32
"""A keypoint has a key in each table; two keypoints share it if all of its bits agree. Fewer bits
find more copies and, among images that look alike, more strangers to compare with."""
HASH_BANDS = 3
HASH_SIDE = 8

_SKETCH_QUALITY = 95
_CONTRAST = 0.004  # of SIFT: low, since the strongest keypoints are taken by rank
_LEAST_SPREAD = 8.0  # grey levels; what is flatter is noise and is not stretched further
_LEVELS = 1024  # of the count that finds the darkest and lightest: sorting takes ten times as long
_DARKEST_AND_LIGHTEST = np.array([0.005, 0.995])
_HEADER = struct.Struct("<BHHHBB")
_VERSION = 1

_BINS = np.arange(128).reshape(4, 4, 8)  # SIFT: rows and columns of cells, 8 directions each
_MIRRORED_BINS: NDArray[np.intp] = _BINS[::-1, :, (-np.arange(8)) % 8].ravel()
_SAMPLED_BITS = np.stack(
    [
        np.random.default_rng(table).choice(128, KEY_BITS, replace=False)
        for table in range(KEY_TABLES)
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The outstanding points of an image, what surrounds each, and a small grey picture."""

    size: tuple[int, int]
    """``(width, height)`` of the picture that the keypoints were found in, in pixels."""
    points: NDArray[np.complex128]
    """Positions ``x + iy`` in that picture, shape (N,): a similarity is ``a * z + b``."""
    surroundings: NDArray[np.uint8]
    """0 or 1, shape (N, 128): which bins of the SIFT histogram are above its median."""
    picture: NDArray[np.uint8]
    """Grey, shape (H, W), at most 64 pixels a side, between its darkest and lightest."""

    def mirrored_surroundings(self) -> NDArray[np.uint8]:
        """Return what `surroundings` would be had the image been mirrored."""
        return self.surroundings[:, _MIRRORED_BINS]

    def to_bytes(self) -> bytes:
        """Return a compact form of at most some 7 KB; `from_bytes` reads it."""
        width, height = self.size
        rows, columns = self.picture.shape
        header = _HEADER.pack(_VERSION, width, height, len(self.points), rows, columns)
        scaled = np.stack([self.points.real / width, self.points.imag / height], axis=1)
        positions = np.clip(scaled * 65535, 0, 65535).astype("<u2")
        bits = np.packbits(self.surroundings, axis=1)
        return header + positions.tobytes() + bits.tobytes() + zlib.compress(self.picture.tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> "Fingerprint":
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError
            If the bytes are of another version of this format.
        """
        version, width, height, count, rows, columns = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise ValueError(f"fingerprint of version {version}, this release reads {_VERSION}")
        at = _HEADER.size
        positions = np.frombuffer(data, "<u2", count * 2, at).reshape(-1, 2) / 65535.0
        at += count * 4
        bits = np.frombuffer(data, np.uint8, count * 16, at).reshape(-1, 16)
        at += count * 16
        picture = np.frombuffer(zlib.decompress(data[at:]), np.uint8).reshape(rows, columns)
        points = positions[:, 0] * width + 1j * positions[:, 1] * height
        return cls((width, height), points, np.unpackbits(bits, axis=1), picture)


def sketch(pixels: NDArray[Any]) -> bytes:
    """Keep of an image what its fingerprint is taken from: a grey JPEG of some 20 KB.

    Parameters
    ----------
    pixels : uint8 or uint16, shape (H, W, C)
        Upright, `WORK_AREA` of them or more if the image has them; the mean of up to three first
        channels counts.
    """
    _, encoded = cv2.imencode(
        ".jpg", _stretched(_shrunk(pixels)), [cv2.IMWRITE_JPEG_QUALITY, _SKETCH_QUALITY]
    )
    return encoded.tobytes()


def fingerprint(sketched: bytes) -> Fingerprint:
    """Take the fingerprint of an image from its `sketch`; about 10 ms.

    The points are SIFT keypoints (Lowe, "Distinctive image features from scale-invariant
    keypoints", IJCV 60 (2004)), their histograms cut to one bit a bin.
    """
    grey = cv2.imdecode(np.frombuffer(sketched, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None  # nobody but `sketch` makes them
    height, width = grey.shape
    sift = cv2.SIFT_create(  # type: ignore[attr-defined]  # missing in OpenCV's own stubs
        nfeatures=MOST_KEYPOINTS, contrastThreshold=_CONTRAST
    )
    found, histograms = sift.detectAndCompute(grey, None)
    points = np.array([keypoint.pt for keypoint in found[:MOST_KEYPOINTS]], np.float64)
    points = points.reshape(-1, 2)
    scale = THUMBNAIL_SIDE / max(height, width)
    side = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Fingerprint(
        size=(width, height),
        points=points[:, 0] + 1j * points[:, 1],
        surroundings=_above_median(histograms),
        picture=cv2.resize(grey, side, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False),
    )


def candidate_keys(of: Fingerprint) -> list[int]:
    """Return the keys to file a fingerprint under, and to look others up by, sorted.

    Copies and crops share some with their origin, strangers nearly none. All are the same for a
    mirrored copy; those of keypoints also for a turned one, those of the whole picture for quarter
    turns.
    """
    keys = _keypoint_keys(of.surroundings) | _picture_keys(of.picture)
    return sorted(keys)


def _shrunk(pixels: NDArray[Any]) -> NDArray[np.float32]:
    channels = 3 if pixels.shape[2] >= 3 else 1
    height, width = pixels.shape[:2]
    scale = min(1.0, (WORK_AREA / (height * width)) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(
        np.ascontiguousarray(pixels[..., :channels]), size, interpolation=cv2.INTER_AREA
    )
    share: Any = np.full((1, channels), 1 / channels, np.float32)
    mean = cv2.transform(small.reshape(size[1], size[0], channels).astype(np.float32), share)
    grey: NDArray[np.float32] = mean.reshape(size[1], size[0]).astype(np.float32, copy=False)
    if pixels.dtype == np.uint16:
        grey /= 257.0
    return grey


def _stretched(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    counts = cv2.calcHist([grey], [0], None, [_LEVELS], [0.0, 256.0]).cumsum()
    low, high = np.searchsorted(counts, counts[-1] * _DARKEST_AND_LIGHTEST) * (256.0 / _LEVELS)
    stretched = (grey - low) * (255.0 / max(float(high - low), _LEAST_SPREAD))
    eight: NDArray[np.uint8] = np.clip(stretched, 0, 255).astype(np.uint8)
    return eight


def _above_median(histograms: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    if histograms is None:
        return np.zeros((0, 128), np.uint8)
    histograms = histograms[:MOST_KEYPOINTS]
    threshold = np.maximum(np.median(histograms, axis=1, keepdims=True), 1.0)
    return (histograms > threshold).astype(np.uint8)


def _keypoint_keys(surroundings: NDArray[np.uint8]) -> set[int]:
    weights = 1 << np.arange(KEY_BITS, dtype=np.int64)
    mirrored = surroundings[:, _MIRRORED_BINS]
    keys: set[int] = set()
    for table, bits in enumerate(_SAMPLED_BITS):
        # The smaller of a surrounding's and its mirror image's number is the same for both.
        numbers = np.minimum(surroundings[:, bits] @ weights, mirrored[:, bits] @ weights)
        keys.update((numbers | (np.int64(table) << KEY_BITS)).tolist())
    return keys


def _picture_keys(picture: NDArray[np.uint8]) -> set[int]:
    """Hash the signs of the lowest waves of the whole picture, in its eight positions."""
    if int(picture.max()) - int(picture.min()) < _LEAST_SPREAD:
        return set()  # an empty picture is like every other empty picture
    square = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = cv2.dct(square)[:HASH_SIDE, :HASH_SIDE]
    odd = np.where(np.arange(HASH_SIDE) % 2 == 1, -1.0, 1.0)
    keys: set[int] = set()
    for turned in (waves, waves.T):
        for rows in (1.0, odd[:, None]):
            for columns in (1.0, odd[None, :]):
                signs = ((turned * rows * columns).ravel()[1:] > 0).reshape(HASH_BANDS, -1)
                numbers = signs @ (1 << np.arange(signs.shape[1], dtype=np.int64))
                for band, number in enumerate(numbers.tolist(), start=KEY_TABLES):
                    keys.add(number | band << KEY_BITS)
    return keys
