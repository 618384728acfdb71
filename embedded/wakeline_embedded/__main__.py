"""The supervisor as a process: ``python -m wakeline_embedded DATA_FOLDER`` (see `wakeline up`)."""

import sys
from pathlib import Path

from wakeline_embedded.foreground import supervise
from wakeline_embedded.layout import Layout
from wakeline_embedded.state import AlreadyRunningError

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m wakeline_embedded DATA_FOLDER")
    try:
        sys.exit(0 if supervise(Layout.prepared(Path(sys.argv[1]))) else 1)
    except AlreadyRunningError as error:
        sys.exit(str(error))
