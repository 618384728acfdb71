"""The metrics of the platform, as a scraper sees them."""

from prometheus_client.parser import text_string_to_metric_families

from wakeline_telemetry import metrics


def test_every_metric_is_there_under_its_name_with_a_sentence_about_it() -> None:
    families = {
        family.name: family.documentation
        for family in text_string_to_metric_families(metrics.exposition().decode())
        if family.name.startswith("wakeline_")
    }
    expected = {
        "consumer_lag",
        "dead_events",
        "handled_events",
        "handler_seconds",
        "http_seconds",
        "job_seconds",
        "jobs",
        "outbox_oldest_seconds",
        "outbox_rows",
        "parked_events",
        "parked_oldest_seconds",
        "relayed_events",
        "waiting_events",
        "waiting_oldest_seconds",
    }
    assert {f"wakeline_{name}" for name in expected} <= set(families)
    assert all(text.endswith(".") for name, text in families.items() if "created" not in name)


def test_a_measurement_shows_with_its_labels() -> None:
    metrics.consumer_lag.labels("wakeline.labeling", "3").set(17)
    line = 'wakeline_consumer_lag{partition="3",topic="wakeline.labeling"} 17.0'
    assert line in metrics.exposition().decode()
