"""What the review service does: load, decide, store, emit."""
