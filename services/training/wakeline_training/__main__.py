"""``python -m wakeline_training serve | consume | relay | run | all | migrate | check``."""

from wakeline_process import main
from wakeline_training.wiring import service

if __name__ == "__main__":
    main(service)
