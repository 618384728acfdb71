"""Adapters of the predictor port: rules, the stage's own model, and what was uploaded."""
