"""``python -m wakeline_labeling serve | consume | relay | run | all | migrate | check``."""

from wakeline_labeling.wiring import service
from wakeline_process import main

if __name__ == "__main__":
    main(service)
