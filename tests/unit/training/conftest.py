"""Settings of the property-based tests: no deadline, as a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("training", deadline=None, max_examples=150)
settings.load_profile("training")
