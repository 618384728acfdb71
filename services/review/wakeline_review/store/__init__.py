"""The review service's collections in MongoDB."""
