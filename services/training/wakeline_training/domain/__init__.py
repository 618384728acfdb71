"""The rules of training: pure functions of plain data."""
