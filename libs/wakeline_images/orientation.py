"""EXIF orientation: from stored to upright pixels, for images and for all that was drawn on them.

A camera stores rows as the sensor read them and notes in ``Orientation`` (EXIF 2.32, tag 0x0112)
how to turn them. Everything in Wakeline lives in upright pixels; what comes along in stored
pixels (a sensor's own mask, a detector's boxes) is turned here in the same way.
"""

from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry.shapes import Box, Geometry, Mask, Point, Polygon, Polyline

Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
Pixels = TypeVar("Pixels", bound=np.generic)

_TRANSPOSED = (5, 6, 7, 8)
_FLIPPED_X = (2, 3, 7, 6)
_FLIPPED_Y = (3, 4, 7, 8)


def orientation_from(value: object) -> Orientation:
    """Read the tag's value; what is missing or out of range means upright."""
    for known in get_args(Orientation):
        if value == known:
            return known  # type: ignore[no-any-return]
    return 1


def upright_size(width: int, height: int, orientation: Orientation) -> tuple[int, int]:
    """Return ``(width, height)`` in upright pixels of a stored size."""
    return (height, width) if orientation in _TRANSPOSED else (width, height)


def stored_size(width: int, height: int, orientation: Orientation) -> tuple[int, int]:
    """Return ``(width, height)`` in stored pixels of an upright size."""
    return upright_size(width, height, orientation)  # a transposition undoes itself


def upright_pixels(stored: NDArray[Pixels], orientation: Orientation) -> NDArray[Pixels]:
    """Turn stored pixels upright.

    Parameters
    ----------
    stored : any dtype, shape (H, W) or (H, W, C)
    orientation : EXIF value in 1..8

    Returns
    -------
    the same dtype, contiguous, shape (H, W[, C]) or (W, H[, C])
    """
    turned = stored.swapaxes(0, 1) if orientation in _TRANSPOSED else stored
    if orientation in _FLIPPED_X:
        turned = turned[:, ::-1]
    if orientation in _FLIPPED_Y:
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def upright_mask(stored: NDArray[np.bool_], orientation: Orientation) -> NDArray[np.bool_]:
    """Turn a mask of shape (H, W), drawn on stored pixels, upright."""
    return upright_pixels(stored, orientation)


def upright_points(
    stored: NDArray[np.float64], size: tuple[int, int], orientation: Orientation
) -> NDArray[np.float64]:
    """Turn positions upright.

    Parameters
    ----------
    stored : float64, shape (N, 2)
        ``(x, y)`` in continuous stored pixels.
    size : ``(width, height)`` of the stored image in pixels
    orientation : EXIF value in 1..8

    Returns
    -------
    float64, shape (N, 2), ``(x, y)`` in continuous upright pixels

    Raises
    ------
    ValueError
        If the positions are not of shape (N, 2).
    """
    if stored.ndim != 2 or stored.shape[1] != 2:
        raise ValueError(f"positions must have shape (N, 2), got {stored.shape}")
    width, height = upright_size(*size, orientation)
    turned = stored[:, ::-1].copy() if orientation in _TRANSPOSED else stored.copy()
    if orientation in _FLIPPED_X:
        turned[:, 0] = width - turned[:, 0]
    if orientation in _FLIPPED_Y:
        turned[:, 1] = height - turned[:, 1]
    return turned


def upright_boxes(
    stored: NDArray[np.float64], size: tuple[int, int], orientation: Orientation
) -> NDArray[np.float64]:
    """Turn boxes ``(x_min, y_min, x_max, y_max)``, shape (N, 4), upright; see `upright_points`."""
    if stored.ndim != 2 or stored.shape[1] != 4:
        raise ValueError(f"boxes must have shape (N, 4), got {stored.shape}")
    corners = upright_points(stored.reshape(-1, 2), size, orientation).reshape(-1, 2, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def upright_geometry(stored: Geometry, size: tuple[int, int], orientation: Orientation) -> Geometry:
    """Turn any wire geometry upright; ``size`` is the stored image's ``(width, height)``.

    Raises
    ------
    ValueError
        If a mask is not of the stored image's size.
    """
    match stored:
        case Box(corners=corners):
            turned = upright_boxes(np.array([corners], np.float64), size, orientation)[0]
            return Box(corners=tuple(turned.tolist()))
        case Polygon(parts=parts):
            return Polygon(parts=tuple(_turned(part, size, orientation) for part in parts))
        case Polyline(points=points):
            return Polyline(points=_turned(points, size, orientation))
        case Point(at=at):
            return Point(at=_turned(at, size, orientation))
        case Mask():
            return _turned_mask(stored, size, orientation)
        case _:
            return stored


def _turned(flat: tuple[float, ...], size: tuple[int, int], orientation: Orientation) -> Any:
    points = np.asarray(flat, np.float64).reshape(-1, 2)
    return tuple(upright_points(points, size, orientation).ravel().tolist())


def _turned_mask(mask: Mask, size: tuple[int, int], orientation: Orientation) -> Mask:
    from pycocotools import mask as coco  # only who brings masks needs it

    if mask.size != (size[1], size[0]):
        raise ValueError(f"the mask is {mask.size} (height, width), its image {size[::-1]}")
    pixels = coco.decode({"size": list(mask.size), "counts": mask.counts.encode()})
    encoded = coco.encode(np.asfortranarray(upright_pixels(pixels, orientation)))
    return Mask(size=tuple(encoded["size"]), counts=encoded["counts"].decode())
