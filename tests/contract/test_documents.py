"""What the documents say is so: commands exist, links lead somewhere, and tables are complete."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import isclass
from pathlib import Path
from runpy import run_path
from typing import Any, get_args

import click
import pytest
import typer
import yaml
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from tests.contract.services import ROOT, SERVICES, consumed_by, operations_of
from tests.contract.test_routes import reached
from wakeline_auth import Role
from wakeline_events import configuration
from wakeline_events.base import ServiceName
from wakeline_events.registry import EVENT_CLASSES
from wakeline_process import ServiceSettings
from wakeline_sdk.cli.app import build
from wakeline_trainer.contract import Exit, Parameters, RunSettings, S3Settings
from wakeline_training.domain import artefacts

DOCS = ROOT / "docs"
MEASURING = ("wakeline_telemetry", "wakeline_prediction", "wakeline_lineage")
"""The packages that declare metrics, each in its module of that name."""
PAGES = [ROOT / "README.md", ROOT / "THIRD_PARTY.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
CODE = re.compile(r"^\s*```\w*\n(.*?)^\s*```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_its_heading(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert not target.startswith("http"), f"{page.name} leads out of the repository: {target}"
        file, _, heading = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name}: {target}"
        if heading:
            assert heading in _headings(there), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_exists_with_its_options(page: Path) -> None:
    for words in _commands(page):
        match words:
            case ["wakeline", *rest]:
                _check_wakeline(rest, f"{page.name}: {' '.join(words)}")
            case ["make", target, *_]:
                assert target in _targets(), f"{page.name}: {' '.join(words)}"
            case ["python", "-m", module, *_]:
                known = find_spec(module) or re.fullmatch(r"wakeline_<service>", module)
                assert known, f"{page.name}: {' '.join(words)}"


def test_the_search_for_commands_finds_them() -> None:
    found = [words for page in PAGES for words in _commands(page)]
    assert len([words for words in found if words[0] == "wakeline"]) > 40
    assert ["make", "demo"] in found
    with pytest.raises(AssertionError, match="no command"):
        _check_wakeline(["conjure"], "here")
    with pytest.raises(AssertionError, match="--loudly"):
        _check_wakeline(["up", "--loudly"], "here")


async def test_the_http_reference_names_every_route_and_who_gets_past_it() -> None:
    told = _rows("http.md", r"\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)`(?: ◦)? \| ([^|]*) \|")
    routes: dict[str, set[str]] = {}
    for name in SERVICES:
        for role in Role:
            for route in await reached(name, role):
                general = route.replace(f"/operations/{name}/", "/operations/SERVICE/")
                routes.setdefault(general, set()).add(role.value)
    everybody = {role.value for role in Role}
    written = {route: everybody if who == "all" else set(who.split(", ")) for route, who in told}
    assert written == routes
    assert len(told) == len(written)


async def test_the_http_reference_marks_the_posts_without_a_key() -> None:
    marked = {path for (path,) in _rows("http.md", r"\| `POST ([^`]+)` ◦ \|")}
    found = set()
    for name in SERVICES:
        for (method, path), operation in (await operations_of(name)).items():
            headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
            if method == "POST" and "Idempotency-Key" not in headers:
                found.add(path.replace(f"/operations/{name}/", "/operations/SERVICE/"))
    assert marked == found


def test_the_events_reference_names_every_event_its_producer_and_its_consumers() -> None:
    told = _rows("events.md", r"\| `([a-z]+\.[a-z]+)` \| (\w+) \| \w+ \| ([^|]*)\|")
    written = {event: (by, {n.strip() for n in to.split(",")} - {""}) for event, by, to in told}
    choosy = set(SERVICES) - {"lineage"}  # which takes in every event, as the page says
    assert written == {
        event.TYPE: (event.PRODUCER, {n for n in choosy if event.TYPE in consumed_by(n)})
        for event in EVENT_CLASSES
    }


def test_the_metrics_reference_names_every_metric_with_its_labels() -> None:
    modules = [import_module(f"{name}.metrics") for name in MEASURING]
    found: list[Any] = [value for module in modules for value in vars(module).values()]
    declared = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            set(metric._labelnames),
        )
        for metric in found
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    }
    told = _rows("metrics.md", r"\| `(wakeline_\w+)` \| (\w+) \| ([^|]*)\|")
    written = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in told}
    assert written == declared


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_reference_names_every_setting(name: ServiceName) -> None:
    shared, own = (DOCS / "reference" / "settings.md").read_text().split("## Of one service")
    settings = import_module(f"wakeline_{name}.settings").Settings
    general = set(_variables(ServiceSettings))
    for variable in _variables(settings):
        if variable in general:
            assert f"`{variable}`" in shared
        else:
            assert re.search(rf"^\| {name} \| `{variable}` \|", own, re.MULTILINE), variable
    told = re.findall(rf"^\| {name} \| `(\w+)` \|", own, re.MULTILINE)
    assert set(told) <= set(_variables(settings))


@pytest.mark.parametrize(
    "document",
    [
        configuration.ProjectDocument,
        configuration.ClassDefinition,
        configuration.StagePolicy,
        configuration.ReviewPolicy,
        configuration.ConsensusPolicy,
        configuration.ExamPolicy,
        configuration.LimitsPolicy,
        configuration.TrainingPolicy,
    ],
)
def test_the_project_reference_names_every_key_and_its_default(document: type[BaseModel]) -> None:
    text = (DOCS / "reference" / "project-document.md").read_text()
    for key, field in document.model_fields.items():
        if field.is_required():
            expected = "required"
        elif isinstance(field.default, int | float):
            expected = str(field.default)
        else:
            expected = f"`{field.default}`" if isinstance(field.default, str) else ""
        row = rf"^\| `{key}` \| {re.escape(expected)}"
        assert re.search(row, text, re.MULTILINE), f"{key}: {expected}"


def test_the_example_of_the_project_reference_is_a_project() -> None:
    text = (DOCS / "reference" / "project-document.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    configuration.ProjectDocument.model_validate(yaml.safe_load(example))


def test_the_trainer_contract_names_what_a_trainer_is_given_and_must_leave() -> None:
    text = (DOCS / "reference" / "trainer-contract.md").read_text()
    given = [f"WAKELINE_{name.upper()}" for name in RunSettings.model_fields if name != "s3"]
    given += [f"WAKELINE_S3__{name.upper()}" for name in S3Settings.model_fields]
    left = [*artefacts.REQUIRED, artefacts.DONE, artefacts.PROGRESS]
    for name in (*given, *left, *Parameters.model_fields):
        assert f"`{name}`" in text, name
    for status in (Exit.DONE, Exit.BAD_INPUT, Exit.TERMINATED):
        assert f"\n| {status.value} |" in text


def test_the_readme_shows_the_tree_as_it_is() -> None:
    text = (ROOT / "README.md").read_text()
    told = set(re.findall(r"^(\w+)/ ", text, re.MULTILINE))
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    built = {"build", "dist", "reports", "node_modules", "shared"}
    assert told == there - built


def _commands(page: Path) -> Iterator[list[str]]:
    """Every command of a page, word by word, comments and variables before it cut off."""
    for block, inline in CODE.findall(page.read_text()):
        for line in (block or inline).splitlines():
            text = re.sub(r"\s+#.*", "", line).strip()
            text = re.sub(r"^([A-Z_]+=\S+ )+", "", text)
            if text.startswith(("wakeline ", "make ", "python -m ")):
                try:
                    yield shlex.split(text)
                except ValueError:
                    continue  # prose with an apostrophe


def _check_wakeline(words: list[str], where: str) -> None:
    command = _command_line()
    path = "wakeline"
    options: set[str] = set()
    for word in words:
        options |= {name for parameter in command.params for name in parameter.opts}
        if word.startswith("-"):
            option = word.partition("=")[0]
            assert option in options or option == "--help", f"{where}: {path} has no {option}"
        elif hasattr(command, "get_command"):
            found = command.get_command(click.Context(command), word)
            if "|" in words or word == "...":
                return  # several commands in one line of prose
            assert found is not None, f"{where}: no command {word} in {path}"
            command, path = found, f"{path} {word}"


@cache
def _command_line() -> Any:
    app = build()
    names = {command.name for command in app.registered_commands} | {
        getattr(command.callback, "__name__", "") for command in app.registered_commands
    }
    for name, module in (("up", "wakeline_embedded.commands"), ("demo", "wakeline_demo.commands")):
        if name not in names:  # the platform is not installed as a distribution here
            import_module(module).register(app)
    return typer.main.get_command(app)


@cache
def _targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text()
    lines = re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE)
    return {target for line in lines for target in line.split()}


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _rows(page: str, row: str) -> list[Any]:
    found = re.findall(f"^{row}", (DOCS / "reference" / page).read_text(), re.MULTILINE)
    return [one if isinstance(one, tuple) else (one,) for one in found]


def _variables(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in settings.model_fields.items():
        kinds = get_args(field.annotation) or (field.annotation,)
        groups = [kind for kind in kinds if isclass(kind) and issubclass(kind, BaseModel)]
        for kind in groups:  # more than one where a setting chooses between them
            yield from _variables(kind, f"{prefix}{name.upper()}__")
        if not groups:
            yield f"{prefix}{name.upper()}"


def test_the_access_documents_are_what_the_services_need() -> None:
    documents = run_path(str(ROOT / "tools" / "access.py"))["documents"]
    there = {path.name: path.read_text() for path in (DOCS / "reference" / "access").iterdir()}
    assert there == documents()
