"""The one command line of Wakeline: the SDK's commands, and those that other packages bring."""

import sys
from typing import Annotated

import typer

from wakeline_sdk.cli import (
    changes,
    datasets,
    exams,
    extensions,
    imports,
    labels,
    lineage,
    operations,
    people,
    predictions,
    projects,
    reviews,
    tasks,
    training,
)
from wakeline_sdk.cli.connection import Given

PARTS = (
    datasets,
    imports,
    projects,
    people,
    exams,
    tasks,
    labels,
    predictions,
    reviews,
    training,
    lineage,
    changes,
    operations,
)


def build() -> typer.Typer:
    """The command line with everything that is installed here."""
    app = typer.Typer(
        name="wakeline",
        cls=extensions.Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Wakeline, a training data platform: data, people, labels and models.",
    )
    app.callback()(_given)
    for part in PARTS:
        part.register(app)
    extensions.load(app)
    return app


def main() -> None:
    """Run a command; what cannot be done is said in a line, without a traceback."""
    try:
        build()()
    except ModuleNotFoundError as error:
        sys.exit(f"this needs {error.name}, which is not installed: `pip install 'wakeline[all]'`")


def _given(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="URL of the platform; $WAKELINE_URL if not given.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="$WAKELINE_TOKEN if not given.")] = None,
) -> None:
    ctx.obj = Given(url, token)
