"""``python -m wakeline_review serve | consume | relay | run | all | migrate | check``."""

from wakeline_process import main
from wakeline_review.wiring import service

if __name__ == "__main__":
    main(service)
