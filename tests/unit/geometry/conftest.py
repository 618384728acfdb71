"""Settings of the property-based tests: no deadline, as a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("geometry", deadline=None, max_examples=60)
settings.load_profile("geometry")
