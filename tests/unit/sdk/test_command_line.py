"""The command line without a platform: whom it talks to, and how it fails."""

import importlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from wakeline_sdk.cli import app as command_line
from wakeline_sdk.cli import extensions
from wakeline_sdk.cli.connection import Address, Given, NoAddressError, address_of
from wakeline_sdk.cli.showing import Display

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which a stack was started."""
    client = {"url": "http://127.0.0.1:21701", "token": "owner"}
    (tmp_path / "client.json").write_text(json.dumps(client))
    return {"WAKELINE_HOME": str(tmp_path)}


def test_the_local_stack_is_talked_to_by_default(home: dict[str, str]) -> None:
    assert address_of(Given(), home) == Address("http://127.0.0.1:21701", "owner")


def test_what_is_given_goes_before_the_environment_and_that_before_the_stack(
    home: dict[str, str],
) -> None:
    env = {**home, "WAKELINE_URL": "http://b", "WAKELINE_TOKEN": "tb"}
    assert address_of(Given(), env) == Address("http://b", "tb")
    assert address_of(Given("http://a", "ta"), env) == Address("http://a", "ta")
    only_token = {**home, "WAKELINE_TOKEN": "labeler"}
    assert address_of(Given(), only_token) == Address("http://127.0.0.1:21701", "labeler")


def test_the_owners_token_never_goes_to_another_platform(home: dict[str, str]) -> None:
    assert address_of(Given("http://127.0.0.1:21701/"), home).token == "owner"
    with pytest.raises(NoAddressError, match="no token for https://elsewhere"):
        address_of(Given("https://elsewhere"), home)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Given(), "`wakeline up` starts one here"),
        (Given("127.0.0.1:80", "t"), "starts with http:// or https://"),
        (Given("http://a", "  "), "use --token"),
    ],
)
def test_a_missing_address_says_what_to_give(tmp_path: Path, given: Given, words: str) -> None:
    with pytest.raises(NoAddressError, match=words):
        address_of(given, {"WAKELINE_HOME": str(tmp_path)})


def test_a_spoilt_client_file_is_named(home: dict[str, str]) -> None:
    path = Path(home["WAKELINE_HOME"]) / "client.json"
    path.write_text("{")
    with pytest.raises(NoAddressError, match=r"client\.json cannot be read"):
        address_of(Given(), home)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.delenv("WAKELINE_URL", raising=False)
    monkeypatch.delenv("WAKELINE_TOKEN", raising=False)
    monkeypatch.setenv("WAKELINE_HOME", str(tmp_path))
    monkeypatch.setattr(extensions, "entry_points", lambda group: [])
    yield CliRunner()
    extensions.Commands.missing.clear()


def test_a_platform_that_is_away_is_one_line_and_exit_code_1(runner: CliRunner) -> None:
    words = ["datasets", "list", "--url", NOWHERE, "--token", "t"]
    result = runner.invoke(command_line.build(), words)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "no answer from http://127.0.0.1:9" in result.stderr
    assert "wakeline up" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["datasets", "list"],
        ["datasets", "lst"],
        ["upload", "d", "/no/such/file"],
        ["predictions", "list", "--url", NOWHERE, "--token", "t"],
        ["models", "publish", "m", "--force", "--url", NOWHERE, "--token", "t"],
        ["runs", "start", "p", "s", "--set", "seed", "--url", NOWHERE, "--token", "t"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_exit_code_2(runner: CliRunner, words: list[str]) -> None:
    result = runner.invoke(command_line.build(), words)
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.output


def test_a_document_that_is_none_is_refused_before_anything_is_sent(
    runner: CliRunner, tmp_path: Path
) -> None:
    file = tmp_path / "project.yaml"
    for text, words in (("a: [1", "neither YAML nor JSON"), ("- 1", "holds no project")):
        file.write_text(text)
        options = ["-f", str(file), "--url", NOWHERE, "--token", "t"]
        result = runner.invoke(command_line.build(), ["project", "apply", *options])
        assert result.exit_code == 1
        assert words in result.stderr


class Brought:
    """A package's commands, as they are entered in the group ``wakeline.commands``."""

    @staticmethod
    def register(app: typer.Typer) -> None:
        @app.command()
        def brought() -> None:
            """Say that it is here."""
            typer.echo("here")


def entered(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, extensions.GROUP) for name, value in entries]
    monkeypatch.setattr(extensions, "entry_points", lambda group: found)


def test_commands_of_other_packages_are_there(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "brought", sys.modules[__name__])
    entered(monkeypatch, ("brought", "brought:Brought.register"))
    assert runner.invoke(command_line.build(), ["brought"]).stdout == "here\n"


def test_the_stacks_commands_stand_beside_those_of_the_sdk(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered(monkeypatch, ("stack", "wakeline_embedded.commands:register"))
    result = runner.invoke(command_line.build(), ["status"])
    assert result.exit_code == 1
    assert "start one with `wakeline up`" in result.stderr


def test_what_a_command_lacks_when_it_runs_is_told_without_a_traceback(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "brought", sys.modules[__name__])
    entered(monkeypatch, ("brought", "brought:Lacking.register"))
    monkeypatch.setattr(sys, "argv", ["wakeline", "lacking"])
    with pytest.raises(SystemExit, match=r"this needs no_such_module.*pip install"):
        command_line.main()


class Lacking:
    """A package whose command imports what it needs only when it runs."""

    @staticmethod
    def register(app: typer.Typer) -> None:
        @app.command()
        def lacking() -> None:
            importlib.import_module("no_such_module")


def test_commands_of_a_package_that_lacks_something_say_what_to_install(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered(monkeypatch, ("demo", "no_such_package.commands:register [demo]"))
    result = runner.invoke(command_line.build(), ["demo"])
    assert result.exit_code == 2
    assert "pip install 'wakeline[demo]'" in result.stderr
    assert "no_such_package" in result.stderr
    assert "Left out" in runner.invoke(command_line.build(), ["--help"]).stdout
    still = runner.invoke(command_line.build(), ["datasets", "--help"])
    assert still.exit_code == 0, "what is installed works all the same"


def test_a_list_is_json_of_a_line_an_item(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(as_json=True)
    for items in ([], [1], [1, 2, {"a": None}]):
        display.rows(items, {}, none="nothing")
        said = capsys.readouterr().out
        assert json.loads(said) == items
        assert len(said.splitlines()) == (len(items) + 2 if items else 1)


@pytest.mark.parametrize(("columns", "lines"), [("200", 6), ("30", 5)])
def test_a_list_that_is_too_wide_for_a_table_is_shown_in_blocks(
    columns: str, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = {"name": lambda one: one, "digest": lambda one: 2 * one}
    Display(as_json=False).rows(["a" * 10, "b" * 10], shown, none="nothing")
    said = capsys.readouterr().out
    assert "a" * 20 in said, "no word is broken"
    assert len(said.rstrip().splitlines()) == lines


def test_every_command_answers_in_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # Commands that other packages add work on this machine, not on a platform.
    monkeypatch.setattr(extensions, "entry_points", lambda group: [])
    found = list(_commands(typer.main.get_command(command_line.build()), ()))
    assert len(found) > 30
    for words, options in found:
        assert {"--json", "--url", "--token"} <= options, words


def _commands(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
    """Every command of our own, with its options."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), {opt for param in command.params for opt in param.opts}  # type: ignore[attr-defined]
        return
    for name, one in inner.items():
        yield from _commands(one, (*words, name))
