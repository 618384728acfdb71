"""Alerts and dashboard ask for metrics that exist, and every alert has its test and its runbook."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from tests.contract.services import ROOT
from tests.contract.test_documents import MEASURING

FOLDER = ROOT / "observability"
RUNBOOKS = ROOT / "docs" / "how-to" / "runbooks"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
OF_PROMETHEUS = {"up": set[str]()}
OF_THE_TARGET = {"service", "instance", "job", "le"}


def queries() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def declared() -> dict[str, set[str]]:
    """Metric -> its labels, as processes expose it."""
    found = dict(OF_PROMETHEUS)
    for module in MEASURING:
        for metric in vars(import_module(f"{module}.metrics")).values():
            if isinstance(metric, MetricWrapperBase):
                (family,) = metric.describe()
                suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
                for suffix in suffixes.get(family.type, [""]):
                    found[family.name + suffix] = set(metric._labelnames)
    of_python = {family.name for family in REGISTRY.collect() if family.name.startswith("process_")}
    return found | {name: set() for name in of_python}


@pytest.mark.parametrize(("name", "query"), list(queries()), ids=str)
def test_every_query_asks_for_metrics_and_labels_that_exist(name: str, query: str) -> None:
    known = declared()
    bare = re.sub(r'"[^"]*"', '""', query)
    metrics = set(re.findall(r"\b(?:wakeline_\w+|process_\w+|up)\b", bare))
    assert metrics, "asks for nothing"
    assert metrics <= known.keys()
    labels = {label for metric in metrics for label in known[metric]} | OF_THE_TARGET
    matched = {label for found in re.findall(r"\{([^}]*)\}", bare) for label in _names(found)}
    grouped = {label for found in re.findall(r"\bby \(([^)]*)\)", bare) for label in _names(found)}
    assert matched | grouped <= labels


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    runbook = ROOT / rule["annotations"]["runbook_url"]
    assert runbook == RUNBOOKS / f"{rule['alert']}.md"
    text = runbook.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    assert text.index("## Look") < text.index("## Do")
    row = rf"\| \[{rule['alert']}\]\({rule['alert']}.md\) \| {rule['labels']['severity']} \|"
    assert re.search(row, (RUNBOOKS / "README.md").read_text())


def test_no_runbook_is_left_of_an_alert_that_is_gone() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {
        "README",
        *(rule["alert"] for rule in RULES),
    }


def test_every_alert_is_shown_to_fire_and_not_to_fire() -> None:
    tests = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {c["alertname"] for c in cases if c["exp_alerts"]} == {r["alert"] for r in RULES}
    # A case with exact labels is also one where the other series of its input do not fire.
    for test in tests:
        for alert in {case["alertname"] for case in test["alert_rule_test"]}:
            own = [c for c in test["alert_rule_test"] if c["alertname"] == alert]
            assert len(own) > 1 or len(test["input_series"]) > 1, alert


def test_prometheus_itself_finds_the_rules_right(promtool: str) -> None:
    for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")):
        done = subprocess.run([promtool, *words], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_itself_can_read_every_query_of_the_dashboard(
    promtool: str, tmp_path: Path
) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": _filled(target["expr"])}
        for number, panel in enumerate(DASHBOARD["panels"])
        for target in panel["targets"]
    ]
    document = tmp_path / "panels.yml"
    document.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", document], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def promtool() -> str:
    unpacked = ROOT / ".venv" / "promtool" / "usr" / "bin" / "promtool"
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not found and unpacked.exists():
        found = str(unpacked)
    if not found:
        pytest.skip("no promtool here: `tools/promtool .venv/promtool` fetches Debian's")
    return found


def _names(labels: str) -> list[str]:
    return re.findall(r"(\w+)\s*(?:[=!]|,|$)", labels)


def _filled(expression: str) -> str:
    """As Grafana fills in its variables."""
    return expression.replace("$__rate_interval", "1m").replace("$service", ".*")
