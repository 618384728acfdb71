"""Writes ``docs/reference/cli.md``: every command of the SDK, from its own help."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from wakeline_sdk.cli import app as command_line

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
EVERYWHERE = {"--url", "--token", "--json", "--help"}
HEAD = """\
# The command line

`pip install 'wakeline-sdk[cli]'` brings `wakeline`, and so does `wakeline[embedded]`.

**Which platform, and as whom**: `--url` and `--token`, before or after the command; else
`WAKELINE_URL` and `WAKELINE_TOKEN`; else the stack that `wakeline up` started, by `client.json` in
its data folder (`$WAKELINE_HOME`, else `.wakeline`). That owner's token goes to no other URL.

**For programs**: every command below takes `--json`. Lists are one array with an item a line.

**Exit codes**: 0 done; 1 refused by the platform, or it does not answer; 2 the command is wrong;
130 stopped by Ctrl-C. Commands that send or fetch much wait a minute for a platform that is away,
the others two seconds.
What went wrong and what to do stands in one line on standard error.

**This machine's own stack**: `wakeline up | down | status | logs | token` and `wakeline demo` come
with the server distribution (`wakeline up --help`). A package adds commands by an entry point of
the group `wakeline.commands`, a function that takes the typer app.
"""
TAIL = """
## Files that go in and out

- `upload` names an image in a folder by its path below that folder, so that names fit the
  `file_name` of a COCO file beside it. What is there already is skipped: run it again to resume.
- `labels export-coco` reads and writes page by page, however many labels there are. With `--like
  FILE` the ids of that file's images and categories are kept, so that what was imported comes out
  as it went in. An annotation whose id is a free number keeps it.
- `labels import`, `benchmarks import` and `predictions upload` find images by `asset_id` if the
  file states it (our exports do), else by `file_name`, else by its last part where only one asset
  has it. What the ontology cannot hold is left out and counted: unknown classes and attributes, and
  an outline where a class is drawn as boxes (its box is kept).
- Kept from COCO: polygons with all parts, both forms of RLE, boxes, `iscrowd` and the scalars under
  `attributes` as attributes of these names, any other scalar key `k` as attribute `coco:k`. Boxes
  and areas are computed anew on export.
- `predictions upload` takes COCO results (with `--images`, which lists what was looked at), a whole
  COCO file, or JSON lines of `{"asset_id" | "file_name" | "digest": ..., "shapes": [...]}`, where a
  shape is `{"class_name", "geometry", "score"}`. A listed image without results, and a line with
  empty `shapes`, says that nothing was found; an image that is not listed keeps what was uploaded
  for it before.
"""


def page() -> str:
    """The whole page."""
    app = typer.Typer()
    app.callback()(lambda: None)
    for part in command_line.PARTS:
        part.register(app)
    root: Any = typer.main.get_command(app)
    lines = [HEAD, "## Commands\n"]
    for name, one in sorted(root.commands.items()):
        lines += _described(f"wakeline {name}", one)
    return "\n".join(lines) + "\n" + TAIL


def _described(words: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield f"- `{words}{_usage(command)}`: {_first_line(command)}"
        return
    for name, one in inner.items():
        yield from _described(f"{words} {name}", one)


def _usage(command: Any) -> str:
    said = ""
    for param in command.params:
        if param.param_type_name == "argument":
            name = param.metavar or param.name.upper()
            said += f" {name}" if param.required or name.startswith("[") else f" [{name}]"
        elif not EVERYWHERE.intersection(param.opts):
            option = param.opts[-1] if param.opts[-1].startswith("--") else param.opts[0]
            value = "" if param.is_flag else f" {param.metavar or param.name.upper()}"
            said += f" {option}{value}" if param.required else f" [{option}{value}]"
    return said


def _first_line(command: Any) -> str:
    paragraph = str(command.help or "").strip().split("\n\n")[0]
    return " ".join(paragraph.split())


def main() -> int:
    """Write the page; with ``--check`` only say whether it is up to date."""
    text = page()
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    if "--check" in sys.argv:
        print(f"run {Path(__file__).name}: {PAGE.name} is not up to date")
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
