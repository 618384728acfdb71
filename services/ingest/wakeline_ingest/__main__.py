"""``python -m wakeline_ingest serve | consume | relay | run | all | migrate | check``."""

from wakeline_ingest.wiring import service
from wakeline_process import main

if __name__ == "__main__":
    main(service)
