"""What every command of the SDK has: a platform to talk to, and a form for its answer."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from wakeline_sdk import Client
from wakeline_sdk.cli.connection import Given, address_of
from wakeline_sdk.cli.failing import told
from wakeline_sdk.cli.showing import Display

ATTEMPTS, PATIENT = 4, 20
"""How often a request is sent while nothing answers: about two seconds of patience, or a minute for
what takes hours and must not end because a service restarts."""

Url = Annotated[str | None, typer.Option("--url", help="URL of the platform.")]
Token = Annotated[str | None, typer.Option("--token", help="Who you are to it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
OnlyStage = Annotated[
    str | None, typer.Option("--stage", help="Stage; may be left out where there is one.")
]


class Session:
    """What a command works with."""

    def __init__(self, client: Client, display: Display) -> None:
        self.client = client
        self.display = display

    def stages(self, project: str, stage: str | None) -> list[str]:
        """The stage that is named, or else all stages of the project."""
        if stage is not None:
            return [stage]
        return [str(one["name"]) for one in self.client.projects.get(project).document["stages"]]

    def stage(self, project: str, stage: str | None) -> str:
        """The stage that is named, or else the project's only one."""
        found = self.stages(project, stage)
        if len(found) > 1:
            raise typer.BadParameter(f"name a --stage of {project}: {', '.join(found)}")
        return found[0]


Body = Callable[..., None]


def group(app: typer.Typer, name: str, about: str) -> typer.Typer:
    """A group of commands: ``wakeline NAME ...``."""
    made = typer.Typer(no_args_is_help=True, help=about)
    app.add_typer(made, name=name)
    return made


def command(app: typer.Typer, name: str, *, attempts: int = ATTEMPTS) -> Callable[[Body], Body]:
    """Make a function a command: its first argument is the session, the others are its words.

    It gets --url, --token and --json beside its own options, and says what goes wrong.
    """

    def decorate(body: Body) -> Body:
        def run(ctx: typer.Context, url: Url, token: Token, as_json: AsJson, **words: Any) -> None:
            before = ctx.find_object(Given) or Given()
            given = Given(url or before.url, token or before.token)
            with told():
                address = address_of(given)
                with Client(address.url, address.token, attempts=attempts) as client:
                    body(Session(client, Display(as_json)), **words)

        hints = get_type_hints(body, include_extras=True)
        own = list(inspect.signature(body).parameters.values())[1:]
        everywhere = {"url": (Url, None), "token": (Token, None), "as_json": (AsJson, False)}
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("ctx", kind, annotation=typer.Context),
            *(one.replace(kind=kind, annotation=hints[one.name]) for one in own),
            *(
                inspect.Parameter(key, kind, default=default, annotation=hint)
                for key, (hint, default) in everywhere.items()
            ),
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        run.__doc__ = body.__doc__
        app.command(name)(run)
        return body

    return decorate
