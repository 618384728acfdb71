"""What this service measures beside what every service does."""

from prometheus_client import Counter, Histogram

predictions_total = Counter(
    "wakeline_predictions_total",
    "Answers of predictors, by outcome: completed, the code of a failure, or outdated.",
    ["predictor", "outcome"],
)
prediction_seconds = Histogram(
    "wakeline_prediction_seconds",
    "Time from asking a predictor to its answer, reading the picture included.",
    ["predictor"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
dropped_shapes_total = Counter(
    "wakeline_dropped_shapes_total",
    "Predicted shapes that the ontology, the image or the task's focus regions do not allow.",
    ["predictor", "reason"],
)
collected_total = Counter(
    "wakeline_collected_total",
    "Uploads that were replaced and blobs of shapes that nothing names any more, deleted.",
    ["kind"],
)
for kind in ("upload", "blob"):  # a counter that begins with its first one shows no increase
    collected_total.labels(kind)
