"""The ports of lineage on MongoDB."""
