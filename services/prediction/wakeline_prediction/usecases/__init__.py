"""Load, decide, store, emit."""
