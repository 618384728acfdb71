"""Predictions: what serves a stage proposes shapes for every open task."""
