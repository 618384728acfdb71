"""Ingest: takes images in, checks them, keeps copies together, and says ``asset.ingested``."""
