"""The rules of labeling: plain functions on plain data, without clock, network or chance."""
