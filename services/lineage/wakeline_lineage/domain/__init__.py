"""The rules of lineage: plain functions without clock, network, disk or randomness."""
