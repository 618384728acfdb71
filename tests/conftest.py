"""Fixtures of all tests: the servers of a test run, and each test's corner of them."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["wakeline_testing.plugin"]
"""The pytest plugin: one stack a test run, one scope a test, what takes long in good time."""

settings.register_profile("wakeline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wakeline")
"""No test asserts how long something took: machines are busy with other things."""
