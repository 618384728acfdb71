"""The lineage service: keeps every event, and what came of what."""
