"""The command line: ``wakeline``, a module for each kind of thing it works on."""

import sys


def main() -> None:
    """Run a command, or say what is missing to do so: the client alone installs without it."""
    try:
        from wakeline_sdk.cli import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("wakeline"):
            raise
        sys.exit(f"the command line needs {missing.name}: pip install 'wakeline-sdk[cli]'")
    app.main()
