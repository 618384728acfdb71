"""Rules of the ingest service: plain functions of what they are given."""
