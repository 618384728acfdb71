"""What the SDK is made of: two spellings of one client, and hardly any dependencies."""

import ast
import subprocess
import sys
from pathlib import Path

SDK = Path(__file__).parents[3] / "sdk"
PACKAGE = SDK / "wakeline_sdk"
CLIENT = {"httpx", "pydantic", "pydantic_core", "wakeline_sdk"}
COMMAND_LINE = CLIENT | {"typer", "rich", "yaml"}


def imported_by(path: Path) -> set[str]:
    """The top-level packages that a module imports, those of Python itself left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_the_client_needs_httpx_and_pydantic_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        allowed = COMMAND_LINE if "cli" in path.parts else CLIENT
        assert imported_by(path) <= allowed, path


def up_to_date(script: str) -> None:
    command = [sys.executable, str(SDK / script), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_synchronous_client_is_generated_from_the_asynchronous_one() -> None:
    up_to_date("generate_sync.py")


def test_the_reference_page_names_every_command() -> None:
    up_to_date("describe_commands.py")


def test_the_command_says_what_to_install_where_only_the_client_is_there() -> None:
    without = "import sys; sys.modules['typer'] = None; from wakeline_sdk.cli import main; main()"
    said = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert said.returncode == 1
    assert said.stderr.strip() == ("the command line needs typer: pip install 'wakeline-sdk[cli]'")
