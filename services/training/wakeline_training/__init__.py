"""The training service: freezes dataset versions, runs trainers, gates and publishes models."""
