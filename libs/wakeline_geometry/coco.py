"""COCO annotations to shapes and back, one annotation at a time, with no loss on the way.

What a file says and where it is kept:

=======================  ======================================================================
``segmentation``         list: ``Polygon`` with all its parts; RLE in either form: ``Mask``
``bbox``                 ``Box`` where there is no segmentation; else computed anew on export
``area``                 computed anew on export
``iscrowd``: 1           attribute ``iscrowd``: true
``attributes``           its scalar values are attributes of the same names (as CVAT writes them)
``score``                ``Predicted.score``
any other scalar ``k``   attribute ``coco:k``
=======================  ======================================================================

Lists, objects and nulls under other keys have no place in a shape: ``unsupported_keys`` names
them, so that an import can say what it leaves out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from wakeline_geometry import masks, rle
from wakeline_geometry.shapes import (
    AttributeValue,
    Box,
    Geometry,
    Mask,
    Polygon,
    Predicted,
    Shape,
)

Json = Mapping[str, Any]
"""One object of a COCO file."""

PREFIX = "coco:"
"""Before the name of an attribute that was a key of a COCO annotation itself."""

CROWD = "iscrowd"

_KNOWN = {
    "id", "image_id", "category_id", "segmentation", "bbox", "area", CROWD, "attributes", "score",
}  # fmt: skip

_DECIMALS = 6  # of a computed bbox: hides what x + width - x loses, far below a pixel


def class_names(categories: Iterable[Json]) -> dict[int, str]:
    """The classes by category id, gaps and all.

    Raises
    ------
    ValueError
        If two categories share an id or a name.
    """
    names: dict[int, str] = {}
    for category in categories:
        number, name = int(category["id"]), str(category["name"])
        if number in names or name in names.values():
            raise ValueError(f"category {number} ({name}) occurs twice")
        names[number] = name
    return names


def read(document: Json) -> Iterator[tuple[Json, list[Shape]]]:
    """Every image of a COCO document with its shapes, in the document's order.

    Raises
    ------
    ValueError
        If an annotation names an unknown image or cannot be held; it names the annotation.
    """
    names = class_names(document.get("categories", ()))
    images = {image["id"]: image for image in document["images"]}
    by_image: dict[Any, list[Json]] = {number: [] for number in images}
    for annotation in document.get("annotations", ()):
        if annotation["image_id"] not in by_image:
            raise ValueError(
                f"annotation {annotation.get('id')} is of unknown image {annotation['image_id']}"
            )
        by_image[annotation["image_id"]].append(annotation)
    for number, image in images.items():
        size = (int(image["height"]), int(image["width"]))
        yield image, [shape_from_coco(item, names, size) for item in by_image[number]]


def shape_from_coco(annotation: Json, names: Mapping[int, str], size: masks.Size) -> Shape:
    """The shape of one annotation.

    Parameters
    ----------
    names
        Classes by category id, of ``class_names``.
    size
        ``(height, width)`` of the image in pixels.

    Raises
    ------
    ValueError
        If the annotation has no id, no usable geometry, or a category that is not in ``names``.
    """
    return Shape(**_fields(annotation, names, size))


def predicted_from_coco(
    result: Json, shape_id: str, names: Mapping[int, str], size: masks.Size
) -> Predicted:
    """The predicted shape of one entry of COCO's results format, which carries no ids.

    Same parameters and errors as ``shape_from_coco``, and a ValueError for a score outside
    [0, 1].
    """
    fields = _fields({**result, "id": shape_id}, names, size)
    try:
        return Predicted(**fields, score=result.get("score", 1.0))
    except ValidationError as error:
        raise ValueError(f"result {shape_id}: {_in_words(error)}") from error


def unsupported_keys(annotation: Json) -> list[str]:
    """The keys whose values a shape cannot hold, nested ones as ``attributes.key``; sorted."""
    nested = annotation.get("attributes")
    lost = [key for key, value in annotation.items() if key not in _KNOWN and not _scalar(value)]
    if isinstance(nested, Mapping):
        lost += [f"attributes.{key}" for key, value in nested.items() if not _scalar(value)]
    elif nested:
        lost.append("attributes")
    return sorted(lost)


def annotation_to_coco(
    shape: Shape,
    *,
    annotation_id: int,
    image_id: int,
    category_ids: Mapping[str, int],
    size: masks.Size,
    compressed: bool = False,
) -> dict[str, Any]:
    """One annotation of a COCO file, with its box and area computed from the geometry.

    Parameters
    ----------
    category_ids
        Category ids by class.
    size
        ``(height, width)`` of the image in pixels.
    compressed
        Whether run lengths are written as text (shorter) or as a list (what COCO's files do).

    Raises
    ------
    ValueError
        If the class has no category, or COCO cannot hold a geometry of this kind.
    """
    return wire_to_coco(
        shape.model_dump(mode="json"),
        annotation_id=annotation_id,
        image_id=image_id,
        category_ids=category_ids,
        size=size,
        compressed=compressed,
    )


def wire_to_coco(
    shape: Json,
    *,
    annotation_id: int,
    image_id: int,
    category_ids: Mapping[str, int],
    size: masks.Size,
    compressed: bool = False,
) -> dict[str, Any]:
    """``annotation_to_coco`` of a shape in JSON's types that was a valid ``Shape`` before.

    Millions of shapes of a dataset version become COCO this way, without a model each.
    """
    name, attributes = shape["class_name"], shape["attributes"]
    if name not in category_ids:
        raise ValueError(f"class {name} has no category id")
    segmentation, (left, top, right, bottom), area = _measured(shape["geometry"], size, compressed)
    coco: dict[str, Any] = {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_ids[name],
        "segmentation": segmentation,
        "bbox": [round(value, _DECIMALS) for value in (left, top, right - left, bottom - top)],
        "area": area,
        CROWD: int(bool(attributes.get(CROWD))),
    }
    if attributes:
        plain, own = _split_attributes(attributes)
        coco |= own
        if plain:
            coco["attributes"] = plain
    if "score" in shape:
        coco["score"] = shape["score"]
    return coco


def annotations_to_coco(
    images: Iterable[tuple[Json, Sequence[Shape]]],
    category_ids: Mapping[str, int],
    *,
    compressed: bool = False,
) -> Iterator[dict[str, Any]]:
    """The annotations of many images, one by one.

    A shape whose id is a number that is still free keeps it, so that an imported file keeps its
    ids; others get the next number above all before.

    Parameters
    ----------
    images
        COCO's entry of each image (``id``, ``height`` and ``width`` are read) and its shapes.
    """
    used: set[int] = set()
    highest = 0
    for image, shapes in images:
        size = (int(image["height"]), int(image["width"]))
        for shape in shapes:
            wanted = int(shape.id) if shape.id.isascii() and shape.id.isdecimal() else 0
            number = wanted if wanted and wanted not in used else highest + 1
            used.add(number)
            highest = max(highest, number)
            yield annotation_to_coco(
                shape,
                annotation_id=number,
                image_id=image["id"],
                category_ids=category_ids,
                size=size,
                compressed=compressed,
            )


def _fields(annotation: Json, names: Mapping[int, str], size: masks.Size) -> dict[str, Any]:
    number = annotation.get("id")
    if number is None:
        raise ValueError("an annotation has no id")
    if annotation.get("category_id") not in names:
        category = annotation.get("category_id")
        raise ValueError(f"annotation {number} is of unknown category {category}")
    try:
        return {
            "id": str(number),
            "class_name": names[annotation["category_id"]],
            "geometry": _geometry(annotation, size),
            "attributes": _attributes(annotation),
        }
    except ValidationError as error:
        raise ValueError(f"annotation {number}: {_in_words(error)}") from error
    except ValueError as error:
        raise ValueError(f"annotation {number}: {error}") from error


def _geometry(annotation: Json, size: masks.Size) -> Geometry:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        return _mask(segmentation, size)
    if segmentation:
        return Polygon(parts=segmentation)
    if not (bbox := annotation.get("bbox")):
        raise ValueError("it has neither a segmentation nor a bbox")
    if len(bbox) != 4 or not all(isinstance(value, int | float) for value in bbox):
        raise ValueError("its bbox is not four numbers")
    x, y, width, height = bbox
    return Box(corners=(x, y, x + width, y + height))


def _mask(segmentation: Json, size: masks.Size) -> Mask:
    if list(segmentation.get("size", ())) != list(size):
        raise ValueError(f"its mask of {segmentation.get('size')} does not fit the image of {size}")
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        return masks.from_runs(counts, size)
    if isinstance(counts, bytes):  # as pycocotools returns them
        counts = counts.decode("ascii")
    if not isinstance(counts, str):
        raise ValueError("the counts of its mask are neither a list nor text")
    return Mask(size=size, counts=counts)


def _attributes(annotation: Json) -> dict[str, AttributeValue]:
    nested = annotation.get("attributes")
    named = nested.items() if isinstance(nested, Mapping) else ()
    attributes = {key: value for key, value in named if _scalar(value)}
    attributes |= {
        PREFIX + key: value
        for key, value in annotation.items()
        if key not in _KNOWN and _scalar(value)
    }
    if annotation.get(CROWD):
        attributes[CROWD] = True
    return attributes


def _split_attributes(
    attributes: Mapping[str, AttributeValue],
) -> tuple[dict[str, AttributeValue], dict[str, AttributeValue]]:
    """Attributes that go under ``attributes``, and those that were keys of the annotation."""
    plain: dict[str, AttributeValue] = {}
    own: dict[str, AttributeValue] = {}
    for key, value in attributes.items():
        name = key.removeprefix(PREFIX)
        if name != key and name not in _KNOWN:
            own[name] = value
        elif key != CROWD:
            plain[key] = value
    return plain, own


def _measured(
    geometry: Json, size: masks.Size, compressed: bool
) -> tuple[Any, tuple[float, float, float, float], float]:
    """Segmentation, extent and area of a geometry, as COCO's files state them."""
    match geometry["kind"]:
        case "box":
            left, top, right, bottom = geometry["corners"]
            return [], (left, top, right, bottom), (right - left) * (bottom - top)
        case "polygon":
            parts = geometry["parts"]
            xs = [x for part in parts for x in part[::2]]
            ys = [y for part in parts for y in part[1::2]]
            return parts, (min(xs), min(ys), max(xs), max(ys)), sum(map(_ring_area, parts))
        case "mask":
            return _measured_mask(geometry, size, compressed)
    raise ValueError(f"COCO cannot hold a {geometry['kind']}")


def _measured_mask(
    geometry: Json, size: masks.Size, compressed: bool
) -> tuple[Any, tuple[float, float, float, float], float]:
    height, width = size
    if list(geometry["size"]) != [height, width]:
        raise ValueError(f"a mask of {geometry['size']} does not fit an image of {size}")
    runs = rle.canonical(rle.parse_counts(geometry["counts"], height, width))
    counts = geometry["counts"] if compressed else runs.tolist()
    extent = masks.extent_of(runs, height) or (0.0, 0.0, 0.0, 0.0)
    return {"size": [height, width], "counts": counts}, extent, float(runs[1::2].sum())


def _ring_area(ring: Sequence[float]) -> float:
    """Area of a ring ``[x1, y1, x2, y2, ...]`` by the shoelace formula."""
    # Near the origin, so that large coordinates cost no digits.
    xs = [x - ring[0] for x in ring[::2]]
    ys = ring[1::2]
    return abs(sum(x * (ys[i - 1] - ys[(i + 1) % len(ys)]) for i, x in enumerate(xs))) / 2


def _scalar(value: object) -> bool:
    return isinstance(value, str | bool | int | float)


def _in_words(error: ValidationError) -> str:
    """The first of pydantic's messages, as one line without its web address."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(step) for step in first['loc'])} {first['msg']}".strip()
