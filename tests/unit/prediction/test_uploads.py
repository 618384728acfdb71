import re
from typing import Any, cast

import bson
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.geometry.strategies import predicted, shapes

from wakeline_geometry import masks
from wakeline_geometry.shapes import AttributeValue, Box, Point, Predicted, Shape
from wakeline_prediction.domain import uploads
from wakeline_prediction.domain.mapping import fit
from wakeline_prediction.domain.records import Size, Stage
from wakeline_prediction.domain.uploads import Known, problems_in, unknown_classes
from wakeline_prediction.ports import Archive
from wakeline_prediction.usecases.uploading import Refused, judge, rows_of

from .test_mapping import ontology

SIZE = Size(60, 40)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(-1e300, 1e300))
attributes = st.dictionaries(words, st.one_of(words, st.booleans(), numbers), max_size=3)
MANY = 20_000
NAMES = dict.fromkeys(map(str, range(MANY)))
WORDS = Known.of(ontology(cell=["box"], spot=["point"]))


def drawn(geometry: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """A shape as it is sent."""
    return {"id": "a", "class_name": "cell", "geometry": geometry, "attributes": attributes}


def box(name: str, *corners: float, class_name: str = "cell") -> Predicted:
    left, top, right, bottom = corners
    return Predicted(
        id=name, class_name=class_name, geometry=Box(corners=(left, top, right, bottom))
    )


def test_shapes_that_can_be_shown_have_no_problems() -> None:
    shapes = [box("a", 1, 1, 5, 5), box("b", 1, 1, 5, 5, class_name="spot")]
    assert problems_in(shapes, WORDS, SIZE) == []


def test_each_problem_names_its_shape() -> None:
    point = Predicted(id="p", class_name="cell", geometry=Point(at=(1, 1)))
    problems = problems_in([box("a", 100, 100, 120, 120), box("a", 1, 1, 5, 5), point], WORDS, SIZE)
    assert len(problems) == 3
    assert problems[0].startswith("shape a lies outside")
    assert "two shapes have the id a" in problems
    assert "shape p is a point, and cell is drawn as box" in problems


def test_the_size_is_not_judged_while_it_is_unknown() -> None:
    assert problems_in([box("a", 100, 100, 120, 120)], WORDS, None) == []


def test_a_thousand_equal_problems_are_listed_briefly() -> None:
    shapes = [box(str(n), 100, 100, 120, 120) for n in range(1_000)]
    assert len(problems_in(shapes, WORDS, SIZE)) == uploads.SHOWN


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"shapes": [{}] * MANY}, "shapes.0.id: Field required"),
        ({"shapes": [drawn({"kind": "classification"})] * MANY}, "at most 5000 items"),
        ({"shapes": [drawn({"kind": "polyline", "points": ["x"] * MANY})]}, "points.0: "),
        ({"shapes": [drawn({"kind": "polygon", "parts": [["x"] * MANY]})]}, "parts.0.0: "),
        ({"shapes": [drawn({"kind": "polygon", "parts": [["x"]] * MANY})]}, "parts.0.0: "),
        ({"shapes": [drawn({"kind": "classification"}, **NAMES)]}, "attributes.0.str: "),
        ({"shapes": [], **NAMES}, "it has 20,000 fields that are not known here"),
    ],
    ids=["no shapes", "too many shapes", "a line", "a ring", "rings", "attributes", "fields"],
)
async def test_of_very_many_errors_in_an_item_only_the_first_are_made(
    item: dict[str, Any], reason: str
) -> None:
    stage = Stage(
        id="p/s", project_id="p", version=1, ontology=ontology(cell=["box"]), predictors=()
    )
    items = [{"asset_id": "d:1"} | item]
    archive = cast(Archive, None)  # for what is taken
    (told,) = await judge(archive, stage, items, {}, predictor="external", version="1")
    assert isinstance(told, Refused)
    assert (told.code, reason in told.detail) == ("invalid-item", True), told.detail
    others = re.search(r"\(and (\d+) more\)", told.detail)
    assert others is None or int(others[1]) < 10


@pytest.mark.parametrize("size", [None, SIZE])
def test_a_mask_that_claims_a_huge_image_in_a_few_bytes_is_never_drawn(
    size: Size | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = masks.from_runs([0, 2**28], (2**14, 2**14))
    shape = Predicted(id="a", class_name="leaf", geometry=huge)
    leaf = ontology(leaf=["polygon", "point"])
    monkeypatch.delattr(masks, "decode")
    problems = problems_in([shape], Known.of(leaf), size)
    expected = "shape a is a mask of 16384 x 16384 pixels on an image of 60 x 40"
    assert problems == ([] if size is None else [expected])
    assert fit([shape], leaf, width=60, height=40).dropped == {"off-image": 1}


def test_unknown_classes_are_named_once() -> None:
    shapes = [box(str(n), 1, 1, 5, 5, class_name=f"x{n % 2}") for n in range(4)]
    assert unknown_classes(shapes, WORDS) == ["x0", "x1"]


def test_numbers_and_names_that_no_document_holds_are_refused() -> None:
    shape = box("a", 1, 1, 5, 5).model_copy(
        update={"attributes": {"n": 2**63, "a\0b": "x", "$ref": 1}}
    )
    assert problems_in([shape], WORDS, None) == [
        "shape a has 'n' = 9223372036854775808, which is more than 64 bits hold",
        "shape a has an attribute 'a\\x00b', whose name holds a zero character",
        "shape a has an attribute '$ref', which is a name that MongoDB keeps",
    ]
    fitting = shape.model_copy(update={"attributes": {"n": 2**63 - 1}})
    assert problems_in([fitting], WORDS, None) == []


@given(shapes(), attributes)
def test_a_document_holds_what_models_dump(
    drawn: list[Shape], attributes: dict[str, AttributeValue]
) -> None:
    said = [predicted(shape, 0.5).model_copy(update={"attributes": attributes}) for shape in drawn]
    dumped = [shape.model_dump(mode="json") for shape in said]
    assert bson.decode(bson.encode({"rows": rows_of(said)}))["rows"] == dumped
    assert orjson.dumps(rows_of(said)) == orjson.dumps(dumped), "the upload would have another id"
