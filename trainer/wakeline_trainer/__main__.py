"""``python -m wakeline_trainer``: run one attempt as the trainer contract says."""

import sys
import time

from pydantic import ValidationError

from wakeline_trainer.contract import (
    BadInputError,
    Exit,
    RunSettings,
    TerminatedError,
    first_problem,
)


def main() -> Exit:
    """Run the attempt that the environment describes, and say how it ended."""
    began = time.monotonic()  # importing torch takes seconds of the run's time
    try:
        settings = RunSettings()
    except ValidationError as error:
        return _refuse(f"The environment does not describe a run: {first_problem(error)}")
    from wakeline_trainer.run import Attempt  # not before the environment is known to be good

    try:
        Attempt(settings, began).run()
    except BadInputError as error:
        return _refuse(str(error))
    except TerminatedError:
        return Exit.TERMINATED
    return Exit.DONE


def _refuse(message: str) -> Exit:
    print(message, file=sys.stderr)
    return Exit.BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
