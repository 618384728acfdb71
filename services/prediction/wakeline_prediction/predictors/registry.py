"""Which adapter answers under which name."""

from collections.abc import Mapping

from wakeline_blobs import Blobs
from wakeline_prediction.domain.choice import EXTERNAL, OWN, RELATED
from wakeline_prediction.ports import Archive, Predictor
from wakeline_prediction.predictors import ndvi, threshold
from wakeline_prediction.predictors.external import External
from wakeline_prediction.predictors.models import Models, ModelShelf
from wakeline_prediction.predictors.rules import Rule

RULES: Mapping[str, str] = {
    "heuristic.ndvi": ndvi.VERSION,
    "heuristic.threshold": threshold.VERSION,
}
"""Version of each rule: a change of what a rule answers raises it."""


def predictors(
    archive: Archive, blobs: Blobs, *, models: int, threads: int
) -> dict[str, Predictor]:
    """All adapters of the predictor port.

    Parameters
    ----------
    models : how many models are kept in memory
    threads : that one model runs on
    """
    answering = Models(ModelShelf(blobs, models, threads))
    return {
        "heuristic.ndvi": Rule("heuristic.ndvi", ndvi.segment, ndvi.NdviParameters),
        "heuristic.threshold": Rule(
            "heuristic.threshold", threshold.segment, threshold.ThresholdParameters
        ),
        OWN: answering,
        RELATED: answering,
        EXTERNAL: External(archive),
    }
