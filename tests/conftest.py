"""Fixtures of all tests: the servers of a test run, and each test's corner of them."""

pytest_plugins = ["wakeline_testing.plugin"]
