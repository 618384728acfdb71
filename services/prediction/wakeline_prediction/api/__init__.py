"""The HTTP side of prediction."""
