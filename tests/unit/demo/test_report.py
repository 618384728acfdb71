"""The report: complete where figures are missing, and whole without any network."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from wakeline_demo import report
from wakeline_demo.campaign import Iteration
from wakeline_demo.effort import ASSUMED, Step, seconds
from wakeline_demo.figures import Labeled
from wakeline_demo.folders import Folder, TrueImage
from wakeline_demo.pictures import overlay
from wakeline_demo.plan import Plan, plan_for
from wakeline_geometry.shapes import Box, Shape
from wakeline_sdk.models import Gate, ModelVersion, Run

HELPED = (Step("open"), Step("confirm"), Step("edit", "mask", 0.8))
ALONE = (Step("open"), Step("find"), Step("draw"), Step("find"), Step("draw"))
LOADS = {
    *{("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("image", "href")},
    *{("source", "src"), ("video", "src"), ("object", "data"), ("use", "href")},
}


def test_the_document_has_what_readers_of_report_json_expect() -> None:
    found = _document([_turn(1), _turn(2, trained=True)])
    assert found["simulated"] is True
    assert found["effort_model"] == "effort-1"
    assert set(found["sensitivity"]) == set(ASSUMED)
    assert all(len(pair) == 2 for pair in found["sensitivity"].values())
    assert set(found) >= {"data", "seed", "iterations", "final_quality", "sensitivity", "wall_s"}
    for row in found["iterations"]:
        assert set(row) >= {
            *("n", "images", "predictor", "seconds_per_image", "ratio", "ratio_ci", "shares"),
            *("agreement", "holdout", "gate", "hours", "cost"),
        }
        assert set(row["seconds_per_image"]) >= {
            *("assisted", "assisted_ci", "control", "control_ci"),
        }
    assert set(found["iterations"][1]["holdout"]) >= {"metric", "value", "ci", "n"}
    assert json.loads(json.dumps(found)) is not None


def test_an_iteration_without_labels_model_or_reviews_is_reported_as_such() -> None:
    found = _document([Iteration(n=1, predictor="heuristic.ndvi")])
    (row,) = found["iterations"]
    assert row["ratio"] is None
    assert row["holdout"] is None
    assert row["gate"] is None
    assert row["agreement"] is None
    assert "-" in _printed(found)


def test_the_page_renders_where_figures_are_missing(tmp_path: Path) -> None:
    found = _document([Iteration(n=1, predictor="heuristic.ndvi"), _turn(2)])
    report.write(tmp_path, found, [])
    page = (tmp_path / "report.html").read_text()
    assert "None" not in page
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(found))


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    report.write(tmp_path, _document([_turn(1, trained=True)]), [_picture()])
    page = (tmp_path / "report.html").read_text()
    loader = _Loader()
    loader.feed(page)
    assert len(loader.sources) == 1
    assert all(source.startswith("data:") for source in loader.sources)
    assert not re.search(r"https?://|url\(|@import|<script", page)


def test_the_page_and_the_table_say_that_people_are_simulated(tmp_path: Path) -> None:
    found = _document([_turn(1)])
    report.write(tmp_path, found, [])
    assert "simulated" in (tmp_path / "report.html").read_text()
    assert "effort-1" in _printed(found)
    assert re.search("simulated", _printed(found), re.IGNORECASE)


def test_the_table_fits_into_100_columns_and_cuts_nothing() -> None:
    printed = _printed(_document([_turn(n, trained=n > 1) for n in (1, 2, 3)]))
    assert max(map(len, printed.splitlines())) <= 100
    assert "…" not in printed


def test_names_from_the_data_cannot_become_markup(tmp_path: Path) -> None:
    found = _document([_turn(1)]) | {"data": "<script>alert(1)</script>"}
    report.write(tmp_path, found, [])
    assert "<script>" not in (tmp_path / "report.html").read_text()


def test_a_picture_says_what_is_on_it() -> None:
    assert _picture().caption == "x (2 crop, 1 weed)"


class _Loader(HTMLParser):
    """Collects what a browser would fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if (tag, name) in LOADS]


def _document(iterations: list[Iteration]) -> dict[str, Any]:
    return report.document(_folder(), _plan(), iterations, 321.0)


def _printed(found: dict[str, Any]) -> str:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(report.table(found))
    return capture.get()


def _turn(n: int, *, trained: bool = False) -> Iteration:
    labels = [
        Labeled(f"a{k}", arm, seconds(steps), 0.9, {"confirmed": 1, "edited": 1}, steps)
        for k in range(6)
        for arm, steps in (("assisted", HELPED), ("control", ALONE))
    ]
    iteration = Iteration(n=n, predictor="heuristic.ndvi", labels=labels, seed=1)
    iteration.agreements = [0.9, 0.8]
    if trained:
        iteration.run, iteration.model = _run(), _model()
    return iteration


def _gate() -> dict[str, Any]:
    return {"verdict": "passed", "comparator": "1", "holdout_assets": 13, "difference": 0.2}


CREATED = datetime(2026, 3, 2, tzinfo=UTC)
STAGE: dict[str, Any] = {"project": "p", "stage": "outline", "number": 1}


def _run() -> Run:
    return Run(
        **STAGE,
        run_id="r",
        cause="person",
        state="completed",
        attempt=1,
        dataset_version="v",
        progress=None,
        metrics={},
        model_version="r.1",
        gate=Gate.model_validate(_gate()),
        failure=None,
        created_at=CREATED,
        started_at=None,
        ended_at=None,
    )


def _model() -> ModelVersion:
    return ModelVersion(
        **STAGE,
        model_version="r.1",
        run_id="r",
        attempt=1,
        dataset_version="v",
        metrics={"ap": 0.5, "ap50": 0.8},
        comparator_metrics={"ap": 0.3},
        reported={},
        gate=Gate.model_validate(_gate()),
        artefact_key="r.1/",
        created_at=CREATED,
        publications=(),
        serving=True,
    )


def _folder() -> Folder:
    image = TrueImage(Path("a.png"), None, "d", 32, 24, ())
    images = tuple(replace(image, digest=str(n)) for n in range(20))
    return Folder(Path("fields"), "fields", ("crop", "weed"), "mask", True, images)


def _plan() -> Plan:
    return plan_for(_folder(), "p", iterations=3, seed=7, max_seconds=60)


@pytest.fixture(autouse=True)
def _image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    Image.new("RGB", (32, 24)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)


def _picture() -> report.Picture:
    box = Box(corners=(2.0, 2.0, 20.0, 20.0))
    names = ("crop", "crop", "weed")
    shapes = [Shape(id=str(n), class_name=name, geometry=box) for n, name in enumerate(names)]
    return overlay(_folder().images[0], shapes, _folder(), "x")
