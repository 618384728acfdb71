"""What the lineage service does: keep every event, and answer where things come from."""
