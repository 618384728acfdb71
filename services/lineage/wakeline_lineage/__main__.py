"""``python -m wakeline_lineage serve | consume | run | all | migrate | check``; relays nothing."""

from wakeline_lineage.wiring import service
from wakeline_process import main

if __name__ == "__main__":
    main(service)
