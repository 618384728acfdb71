"""Installs everything into a virtual environment, and says first how large torch will be.

Standard library only: it runs before anything is installed.
"""

import json
import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
TORCH = "torch>=2.10,<2.14"
"""Newer ones have no CPU build everywhere."""
OLDEST, NEWEST = (3, 11), (3, 13)
SERVICES = ("ingest", "labeling", "lineage", "prediction", "review", "training")
ROOTS = (
    *(f"wakeline_{name}.wiring" for name in SERVICES),
    "wakeline_demo.commands",
    "wakeline_trainer.run",
)
"""What imports most of what is ever imported."""


def main() -> None:
    """Create or complete the environment given as the first argument."""
    _require_python()
    target = Path(sys.argv[1])
    python = target / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    # Without pip it was cut off while it was made.
    if not python.exists() or subprocess.run([*pip, "--version"], capture_output=True).returncode:
        if find_spec("ensurepip") is None:
            sys.exit("this Python makes no virtual environments: install python3-venv")
        print(f"making a virtual environment in {target}")
        venv.create(target, with_pip=True, clear=True)
    install = [*pip, "install", "-q", "--no-compile"]
    if subprocess.run([str(python), "-c", "import torch"], capture_output=True).returncode:
        _announce_torch(pip)
        subprocess.run([*install, TORCH], check=True)
    print("installing Wakeline and what it needs")
    subprocess.run(
        [*install, "-e", str(ROOT / "sdk") + "[cli]", "-e", f"{ROOT}[all,dev]"], check=True
    )
    _compile(python)
    (target / "installed").touch()


def _require_python() -> None:
    """Say what is missing before anything is downloaded."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        here = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"Wakeline runs on Python 3.11 to 3.13, and this is {here}: make PYTHON=python3.13"
        )


def _compile(python: Path) -> None:
    """Compile what will be imported: all of 15,000 files take more than a minute."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([str(python), "-c", f"import {', '.join(ROOTS)}"], check=True, env=kept)


def _announce_torch(pip: list[str]) -> None:
    """Say whether a CPU build of torch was found, or how much will be downloaded."""
    dry = subprocess.run(
        [*pip, "install", "-q", "--dry-run", "--ignore-installed", "--report", "-", TORCH],
        capture_output=True,
        text=True,
    )
    if dry.returncode:
        sys.exit(f"torch cannot be installed here:\n{dry.stderr[-2000:]}")
    names = {item["metadata"]["name"].lower() for item in json.loads(dry.stdout)["install"]}
    if any(name.startswith("nvidia-") for name in names):
        print(
            f"no CPU build of torch here: {len(names)} packages with CUDA come along, about 3 GB "
            "to download. With a CPU build in a local folder: PIP_FIND_LINKS=FOLDER make setup"
        )
    else:
        print("installing a CPU build of torch (about 200 MB)")


if __name__ == "__main__":
    main()
