"""What the service does: load, decide, store, emit."""
