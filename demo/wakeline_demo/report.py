"""What a run of the demo showed: the table, ``report.json`` and the self-contained page."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, select_autoescape
from rich import box
from rich.table import Table

from wakeline_demo.campaign import Iteration
from wakeline_demo.effort import ASSUMED, MODEL
from wakeline_demo.figures import quality, sensitivity
from wakeline_demo.folders import Folder
from wakeline_demo.plan import Plan


@dataclass(frozen=True)
class Picture:
    """One image with outlines drawn on it."""

    caption: str
    jpeg: bytes

    @property
    def source(self) -> str:
        """The picture inside the page: nothing is fetched from anywhere."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


def document(
    folder: Folder, plan: Plan, iterations: Sequence[Iteration], wall_seconds: float
) -> dict[str, Any]:
    """The report as plain data: what ``report.json`` holds."""
    labels = [label for iteration in iterations for label in iteration.labels]
    headline = iterations[-1].labels
    return {
        "data": folder.path.name,
        "images": len(folder.images),
        "effort_model": MODEL,
        "simulated": True,
        "seed": plan.seed,
        "iterations": [_iteration(iteration) for iteration in iterations],
        "final_quality": quality(labels),
        "sensitivity": {
            name: list(pair) for name, pair in sensitivity(headline, plan.seed).items()
        },
        "assumed_constants": list(ASSUMED),
        "wall_s": round(wall_seconds, 1),
    }


def _iteration(iteration: Iteration) -> dict[str, Any]:
    arms = iteration.arms
    return {
        "n": iteration.n,
        "images": iteration.images,
        "predictor": iteration.predictor,
        "seconds_per_image": {
            "assisted": arms.assisted,
            "assisted_ci": arms.assisted_ci,
            "control": arms.control,
            "control_ci": arms.control_ci,
            "paired": arms.paired,
        },
        "ratio": arms.ratio,
        "ratio_ci": arms.ratio_ci,
        "shares": iteration.shares,
        "agreement": iteration.agreement,
        "holdout": _holdout(iteration),
        "gate": iteration.run.gate.model_dump() if iteration.run and iteration.run.gate else None,
        "training_failure": iteration.run.failure if iteration.run else None,
        "hours": iteration.hours,
        "cost": iteration.cost,
    }


def _holdout(iteration: Iteration) -> dict[str, Any] | None:
    """The hold-out metric of the model that this iteration's labels made."""
    model = iteration.model
    if model is None:
        return None
    metrics = model.metrics
    interval = (
        [metrics["ap_low"], metrics["ap_high"]]
        if "ap_low" in metrics and "ap_high" in metrics
        else None
    )
    return {
        "metric": "AP",
        "value": metrics.get("ap"),
        "ci": interval,
        "n": model.gate.holdout_assets,
        "ap50": metrics.get("ap50"),
        "served_before": model.comparator_metrics.get("ap"),
    }


def table(report: dict[str, Any]) -> Table:
    """The table that the demo prints; fits into 100 columns."""
    found = Table(
        title=f"{report['data']}: what each turn cost",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption="Simulated people, effort model "
        f"{report['effort_model']}. s/image: human seconds per image, 95 % interval below. "
        "Shares: of the assisted arm's shapes. AP: of the model made from the labels so far, on "
        "hold-out assets. Hours and cost so far, reviewers included.",
    )
    for column in ("", "pre-labels by", "images", "assisted\ns/image", "control\ns/image", "ratio"):
        found.add_column(column, justify="right", overflow="fold")
    for column in (
        "confirm edit\ndraw remove",
        "agree-\nment",
        "AP",
        "gate",
        "hours\ncost",
    ):
        found.add_column(column, justify="right", overflow="fold")
    for row in report["iterations"]:
        seconds, holdout, gate = row["seconds_per_image"], row["holdout"], row["gate"]
        shares = [f"{100 * share:.0f}" for share in row["shares"].values()]
        found.add_row(
            str(row["n"]),
            row["predictor"],
            str(row["images"]),
            _below(seconds["assisted"], seconds["assisted_ci"], "{:.0f}"),
            _below(seconds["control"], seconds["control_ci"], "{:.0f}"),
            _below(row["ratio"], row["ratio_ci"], "{:.2f}"),
            f"{shares[0]} {shares[1]}\n{shares[2]} {shares[3]} %",
            _number(row["agreement"], "{:.2f}"),
            _number(holdout and holdout["value"], "{:.2f}"),
            gate["verdict"] if gate else "-",
            f"{row['hours']:.1f}\n{row['cost']:.0f}",
        )
    return found


def write(folder: Path, report: dict[str, Any], pictures: Sequence[Picture]) -> None:
    """Write ``report.json`` and ``report.html``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    source = resources.files("wakeline_demo").joinpath("report.html.jinja").read_text()
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    environment.globals.update(number=_number, with_interval=_with_interval)
    page = environment.from_string(source).render(
        report=report, pictures=pictures, bars=_bars(report)
    )
    (folder / "report.html").write_text(page)


def _bars(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Heights of the chart's bars as shares of the tallest."""
    rows = report["iterations"]
    highest = max(
        (row["seconds_per_image"][arm] or 0 for row in rows for arm in ("assisted", "control")),
        default=0,
    )
    scale = 1 / highest if highest else 0
    return [
        {
            "n": row["n"],
            "assisted": (row["seconds_per_image"]["assisted"] or 0) * scale,
            "control": (row["seconds_per_image"]["control"] or 0) * scale,
            "seconds": row["seconds_per_image"],
            "ratio": row["ratio"],
            "ap": row["holdout"]["value"] if row["holdout"] else None,
        }
        for row in rows
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _below(value: float | None, interval: Sequence[float] | None, form: str) -> str:
    return _with_interval(value, interval, form).replace(" [", "\n[").replace(", ", "-")


def _with_interval(
    value: float | None, interval: Sequence[float] | None, form: str = "{:.2f}"
) -> str:
    if value is None:
        return "-"
    if interval is None:
        return form.format(value)
    low, high = (form.format(bound) for bound in interval)
    return f"{form.format(value)} [{low}, {high}]"
