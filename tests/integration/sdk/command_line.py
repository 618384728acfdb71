"""A process that runs commands of ``wakeline`` one after the other, as told by JSON lines.

Python and its imports start once for all of them; each command sees arguments, standard input
and environment of its own, as if it had been typed.
"""

import json
import sys
import traceback

from typer.testing import CliRunner

from wakeline_sdk.cli.app import build


def main() -> None:
    """Run commands until standard input ends."""
    app, runner = build(), CliRunner()
    for line in sys.stdin:
        told = json.loads(line)
        result = runner.invoke(app, told["words"], input=told["typed"], env=told["env"])
        err = result.stderr
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            err += "".join(traceback.format_exception(result.exception))
        said = {"code": result.exit_code, "out": result.stdout, "err": err}
        print(json.dumps({"number": told["number"], "said": said}), flush=True)


if __name__ == "__main__":
    main()
