"""Small pictures for lists and overviews."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL_SIDE = 256
LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5


def thumbnail(pixels: NDArray[Any], side: int = THUMBNAIL_SIDE, quality: int = 85) -> bytes:
    """Return a JPEG of at most ``side`` pixels in both directions; small images are not enlarged.

    Parameters
    ----------
    pixels : uint8 or uint16, shape (H, W, C)
        With three or more channels the first three are shown as red, green and blue, else the
        first as grey. 16 bits are stretched between percentiles, since few of them use the range.
    side : pixels
    quality : JPEG quality in 1..100
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Down to a half it counts every pixel too; areas of no whole pixels take ten times as long.
    how = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    small = cv2.resize(np.ascontiguousarray(shown), size, interpolation=how)
    eight = to_eight_bit(small)
    if eight.ndim == 3:
        eight = np.ascontiguousarray(eight[..., ::-1])  # OpenCV writes blue, green, red
    _, encoded = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def to_eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Show 16 bits in 8, between the 0.5th and the 99.5th percentile; 8 bits stay as they are."""
    if pixels.dtype == np.uint8:
        same: NDArray[np.uint8] = pixels
        return same
    low, high = np.percentile(pixels, [LOW_PERCENTILE, HIGH_PERCENTILE])
    scaled = (pixels.astype(np.float32) - low) / max(float(high - low), 1.0)
    shown: NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)
    return shown
