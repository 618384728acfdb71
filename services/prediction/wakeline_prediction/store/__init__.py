"""Prediction's own MongoDB collections, one module an aggregate."""
