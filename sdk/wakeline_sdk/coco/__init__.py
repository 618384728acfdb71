"""COCO files: their annotations as shapes and back, read and written as streams."""

from wakeline_sdk.coco.conversion import (
    Json,
    annotation_to_coco,
    class_names,
    predicted_from_coco,
    shape_from_coco,
    unsupported_keys,
)
from wakeline_sdk.coco.reading import members
from wakeline_sdk.coco.writing import CocoWriter, Numbering

__all__ = [
    "CocoWriter",
    "Json",
    "Numbering",
    "annotation_to_coco",
    "class_names",
    "members",
    "predicted_from_coco",
    "shape_from_coco",
    "unsupported_keys",
]
