"""``python -m wakeline_prediction serve | consume | relay | run | all | migrate | check``."""

from wakeline_prediction.wiring import service
from wakeline_process import main

if __name__ == "__main__":
    main(service)
