"""Writes what follows from other files of the repository into the chart.

``python -m charts.generate`` writes ``values.schema.json`` (from ``charts/values.py`` and every
service's settings), the tables of ``README.md`` (from the comments of ``values.yaml``),
``images.txt`` and copies of ``observability/``. ``--check`` writes nothing and says what is stale.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from charts.values import SERVICES, Values, kinds_of

CHART = Path(__file__).parent / "wakeline"
OBSERVABILITY = Path(__file__).parents[1] / "observability"
BEGIN, END = "<!-- values -->", "<!-- end of values -->"
FORGOTTEN = frozenset({"title", "default", "description", "format", "discriminator"})
"""Words of a schema that say nothing here: defaults are values.yaml's."""


@dataclass(frozen=True)
class Value:
    """A leaf of values.yaml."""

    path: str
    default: str
    words: str


def schema() -> dict[str, Any]:
    """JSON Schema of the values, in the draft that Helm 3 and 4 both know."""
    made = _tidied(Values.model_json_schema(by_alias=True))
    # how Jobs are made follows from values of the chart's own
    made["$defs"]["TrainerSettings"]["properties"].pop("launch", None)
    for name in ("JobLaunch", "ProcessLaunch"):
        made["$defs"].pop(name, None)
    words = {value.path: value.words for value in documented()}
    _describe(made, made, "", words, set())
    return {"$schema": "http://json-schema.org/draft-07/schema#", **made}


def documented() -> list[Value]:
    """Every value of values.yaml with the comment above it."""
    text = (CHART / "values.yaml").read_text()
    return list(_leaves(yaml.compose(text), yaml.safe_load(text), text.splitlines(), ""))


def readme() -> str:
    """README.md with today's tables."""
    text = (CHART / "README.md").read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{_values_table()}\n\n{_process_table()}\n\n{END}{tail}"


def images() -> str:
    """Every image of a release, one a line: what a cluster without a registry needs."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    names = [*SERVICES, "trainer", "trial"]
    return "".join(f"wakeline-{name}:{version}\n" for name in names)


def outputs() -> dict[Path, str]:
    """What each generated file should hold."""
    return {
        CHART / "values.schema.json": json.dumps(schema(), indent=2) + "\n",
        CHART / "README.md": readme(),
        CHART / "images.txt": images(),
        CHART / "files" / "alerts.yml": (OBSERVABILITY / "alerts.yml").read_text(),
        CHART / "files" / "dashboard.json": (OBSERVABILITY / "dashboard.json").read_text(),
    }


def main() -> int:
    """Write, or say what is stale; the exit status."""
    stale = [path for path, text in outputs().items() if not _holds(path, text)]
    if "--check" not in sys.argv:
        for path in stale:
            path.write_text(outputs()[path])
        return 0
    for path in stale:
        print(f"{path.name} is not up to date: python -m charts.generate")
    return 1 if stale else 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _tidied(node: Any) -> Any:
    """Without what says nothing, and with the chart's spelling of settings."""
    if isinstance(node, list):
        return [_tidied(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _tidied(one) for key, one in node.items() if key not in FORGOTTEN}
    if "properties" in node:  # here keys are names of values
        found["properties"] = {
            to_camel(key): _tidied(one)
            for key, one in node["properties"].items()
            if not one.get("writeOnly")  # a secret comes from a Secret
        }
    if "$defs" in node:
        found["$defs"] = {key: _tidied(one) for key, one in node["$defs"].items()}
    return found


def _describe(
    whole: dict[str, Any], node: dict[str, Any], path: str, words: dict[str, str], seen: set[str]
) -> None:
    for name, child in node.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        if words.get(where):
            child["description"] = words[where]
        reference = child.get("$ref", "").rpartition("/")[2]
        if reference and reference not in seen:
            seen.add(reference)
            _describe(whole, whole["$defs"][reference], where, words, seen)


def _leaves(node: Any, data: Any, lines: list[str], path: str) -> Iterator[Value]:
    for key, value in node.value:
        where = f"{path}.{key.value}" if path else key.value
        held = data[key.value]
        of_process = where.startswith("services.") and where.count(".") == 2
        if isinstance(held, dict) and held and not value.flow_style and not of_process:
            yield from _leaves(value, held, lines, where)
        else:
            default = held if isinstance(held, str) else json.dumps(held)
            yield Value(where, default or '""', _comment(lines, key.start_mark.line))


def _comment(lines: list[str], line: int) -> str:
    above = lines[line - 1].strip()
    return above.removeprefix("# -- ") if above.startswith("# -- ") else ""


def _values_table() -> str:
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for value in documented():
        if value.path.startswith("services."):
            _, service, what = value.path.split(".", 2)
            if service != SERVICES[0] or what not in ("settings", "nodePort"):
                continue
            value = Value(f"services.SERVICE.{what}", value.default, value.words)
        rows.append(f"| `{value.path}` | `{value.default}` | {value.words} |")
    rows.append("| `services.SERVICE.KIND` | the next table | What differs from `process`. |")
    return "\n".join(rows)


def _process_table() -> str:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = ["| process | requests | memory limit | room in /tmp |", "|---|---|---|---|"]
    for service in SERVICES:
        for kind in kinds_of(service):
            own = _over(values["process"], values["services"][service][kind])
            asks, limits = own["resources"]["requests"], own["resources"]["limits"]
            needs = f"{asks['cpu']}, {asks['memory']} | {limits['memory']} | {own['scratch']}"
            rows.append(f"| {service} {kind} | {needs} |")
    return "\n".join(rows)


def _over(general: Any, special: Any) -> Any:
    """As Helm lays values over others."""
    if not (isinstance(general, dict) and isinstance(special, dict)):
        return special
    both = {key: _over(general.get(key), one) for key, one in special.items()}
    return {**general, **both}


if __name__ == "__main__":
    sys.exit(main())
