"""Reading images: upright pixels, stacks of bands, thumbnails, refusals that say what to do."""

from wakeline_images.errors import RefusalCode, UnreadableImageError
from wakeline_images.facts import ImageFacts, check_extension, inspect
from wakeline_images.limits import MAX_PIXELS
from wakeline_images.orientation import (
    Orientation,
    stored_size,
    upright_boxes,
    upright_geometry,
    upright_mask,
    upright_pixels,
    upright_points,
    upright_size,
)
from wakeline_images.reading import Decoded, decode, read_image
from wakeline_images.stacks import read_stack, scale_to_unit, stack_bands
from wakeline_images.thumbnails import thumbnail, to_eight_bit

__all__ = [
    "MAX_PIXELS",
    "Decoded",
    "ImageFacts",
    "Orientation",
    "RefusalCode",
    "UnreadableImageError",
    "check_extension",
    "decode",
    "inspect",
    "read_image",
    "read_stack",
    "scale_to_unit",
    "stack_bands",
    "stored_size",
    "thumbnail",
    "to_eight_bit",
    "upright_boxes",
    "upright_geometry",
    "upright_mask",
    "upright_pixels",
    "upright_points",
    "upright_size",
]
