"""Breaks a running platform on purpose, and says afterwards what was lost.

``python -m tests.system.faults --kills 1000`` is the long run, ``test_short_run`` the short one;
``docs/how-to/fault-tests.md`` tells how to read them.
"""
