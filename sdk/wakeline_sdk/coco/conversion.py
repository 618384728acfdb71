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

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from wakeline_sdk import runs as rle
from wakeline_sdk.checking import problem_of
from wakeline_sdk.runs import Size
from wakeline_sdk.shapes import Attributes, Box, Geometry, Mask, Polygon, Predicted, Shape

S = TypeVar("S", bound=Shape)
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


def shape_from_coco(annotation: Json, names: Mapping[int, str], size: Size) -> Shape:
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
    number = annotation.get("id")
    if number is None:
        raise ValueError("an annotation has no id")
    return _checked(Shape(**_fields(annotation, str(number), names, size)), number)


def predicted_from_coco(
    result: Json, shape_id: str, names: Mapping[int, str], size: Size
) -> Predicted:
    """The predicted shape of one entry of COCO's results format, which carries no ids.

    Same parameters and errors as ``shape_from_coco``, and a ValueError for a score outside
    [0, 1].
    """
    score = result.get("score", 1.0)
    if not isinstance(score, int | float):
        raise ValueError(f"result {shape_id}: its score is not a number")
    shape = Predicted(**_fields(result, shape_id, names, size), score=score)
    return _checked(shape, shape_id)


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
    size: Size,
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
    if shape.class_name not in category_ids:
        raise ValueError(f"class {shape.class_name} has no category id")
    plain, own = _split_attributes(shape.attributes)
    segmentation, extent, area = _measured(shape.geometry, size, compressed)
    x_min, y_min, x_max, y_max = extent or (0.0, 0.0, 0.0, 0.0)
    corners = (x_min, y_min, x_max - x_min, y_max - y_min)
    coco: dict[str, Any] = {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_ids[shape.class_name],
        "segmentation": segmentation,
        "bbox": [round(value, _DECIMALS) for value in corners],
        "area": area,
        CROWD: int(bool(shape.attributes.get(CROWD))),
        **own,
    }
    if plain:
        coco["attributes"] = plain
    if isinstance(shape, Predicted):
        coco["score"] = shape.score
    return coco


def _fields(
    annotation: Json, shape_id: str, names: Mapping[int, str], size: Size
) -> dict[str, Any]:
    category = annotation.get("category_id")
    if not isinstance(category, int) or category not in names:
        raise ValueError(f"annotation {shape_id} is of unknown category {category}")
    try:
        return {
            "id": shape_id,
            "class_name": names[category],
            "geometry": _geometry(annotation, size),
            "attributes": _attributes(annotation),
        }
    except ValueError as error:  # pydantic's too, which takes several lines
        raise ValueError(f"annotation {shape_id}: {_in_words(error)}") from error


def _checked(shape: S, number: object) -> S:
    problem = problem_of(shape)
    if problem is not None:
        raise ValueError(f"annotation {number} {problem}")
    return shape


def _geometry(annotation: Json, size: Size) -> Geometry:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        return _mask(segmentation, size)
    if segmentation:
        return Polygon(parts=segmentation)
    bbox = annotation.get("bbox")
    if not bbox:
        raise ValueError("it has neither a segmentation nor a bbox")
    if len(bbox) != 4 or not all(isinstance(value, int | float) for value in bbox):
        raise ValueError("its bbox is not four numbers")
    x, y, width, height = bbox
    return Box(corners=(x, y, x + width, y + height))


def _mask(segmentation: Json, size: Size) -> Mask:
    if list(segmentation.get("size", ())) != list(size):
        raise ValueError(f"its mask of {segmentation.get('size')} does not fit the image of {size}")
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        return Mask(size=size, counts=rle.text_of(rle.canonical(counts, size)))
    if isinstance(counts, bytes):  # as pycocotools returns them
        counts = counts.decode("ascii")
    if not isinstance(counts, str):
        raise ValueError("the counts of its mask are neither a list nor text")
    return Mask(size=size, counts=counts)


def _attributes(annotation: Json) -> Attributes:
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


def _split_attributes(attributes: Attributes) -> tuple[Attributes, Attributes]:
    """Attributes that go under ``attributes``, and those that were keys of the annotation."""
    plain: Attributes = {}
    own: Attributes = {}
    for key, value in attributes.items():
        name = key.removeprefix(PREFIX)
        if name != key and name not in _KNOWN:
            own[name] = value
        elif key != CROWD:
            plain[key] = value
    return plain, own


def _measured(
    geometry: Geometry, size: Size, compressed: bool
) -> tuple[Any, tuple[float, float, float, float] | None, float]:
    """Segmentation, extent and area of a geometry, as COCO's files state them."""
    if isinstance(geometry, Box):
        x_min, y_min, x_max, y_max = geometry.corners
        return [], geometry.corners, (x_max - x_min) * (y_max - y_min)
    if isinstance(geometry, Polygon):
        parts = [list(part) for part in geometry.parts]
        xs = [x for part in parts for x in part[::2]]
        ys = [y for part in parts for y in part[1::2]]
        return parts, (min(xs), min(ys), max(xs), max(ys)), sum(map(_ring_area, parts))
    if isinstance(geometry, Mask):
        if geometry.size != size:
            raise ValueError(f"a mask of {geometry.size} does not fit an image of {size}")
        runs = rle.parse(geometry.counts, size)
        counts = geometry.counts if compressed else runs
        segmentation = {"size": list(size), "counts": counts}
        return segmentation, rle.extent(runs, size[0]), float(rle.area(runs))
    raise ValueError(f"COCO cannot hold a {geometry.kind}")


def _ring_area(ring: list[float]) -> float:
    """Area of a ring ``[x1, y1, x2, y2, ...]`` by the shoelace formula."""
    # Near the origin, so that large coordinates cost no digits.
    xs = [x - ring[0] for x in ring[::2]]
    ys = [y - ring[1] for y in ring[1::2]]
    return abs(sum(x * (ys[i - 1] - ys[(i + 1) % len(ys)]) for i, x in enumerate(xs))) / 2


def _scalar(value: object) -> bool:
    return isinstance(value, str | bool | int | float)


def _in_words(error: ValueError) -> str:
    """What is wrong, in one line: pydantic's messages go on with a web address."""
    lines = [line.strip() for line in str(error).splitlines()]
    return lines[0] if len(lines) == 1 else f"{lines[1]} {lines[2]}".partition(" [type=")[0]
