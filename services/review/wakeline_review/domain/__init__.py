"""The rules of review: plain functions without clock, network, disk or randomness."""
