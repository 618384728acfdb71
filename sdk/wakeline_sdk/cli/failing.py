"""How commands fail: a line that says what to do, and an exit code; never a traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from wakeline_sdk.cli.connection import NoAddressError
from wakeline_sdk.errors import UnauthenticatedError, UnreachableError, WakelineError

REFUSED, USAGE, STOPPED = 1, 2, 130
"""Exit codes: it cannot be done; the command itself is wrong; somebody has stopped it."""


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """End with a message on standard error."""
    Console(stderr=True).print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def told() -> Iterator[None]:
    """Say what the platform refused, or that it is away."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped: run it again to go on; what is there is kept")
        sys.stdout.flush()
        # At its own end Python would wait for every request that is on its way in a thread.
        os._exit(STOPPED)
    except NoAddressError as error:
        fail(str(error), USAGE)
    except UnauthenticatedError as error:
        fail(f"{error.detail}: get a token with `wakeline token`, or from who runs the platform")
    except WakelineError as error:
        fail(f"{error.detail} ({error.code}){error.listed}")
    except UnreachableError as error:
        fail(f"{error}; `wakeline up` starts a platform here, --url names another one")
    except ValidationError as error:
        fail(
            f"the platform's answer is no {error.title} that this release of wakeline-sdk knows: "
            "install the release that fits the platform"
        )
    except OSError as error:
        fail(f"{error.filename or 'file'}: {error.strerror or error}")


@contextmanager
def usable(file: Path) -> Iterator[None]:
    """Say what is wrong with a file."""
    try:
        yield
    except ValidationError:
        raise
    except ValueError as error:
        fail(f"{file}: {error}")
