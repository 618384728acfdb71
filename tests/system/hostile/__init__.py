"""Inputs that nobody honest sends, to every door of a running platform.

``python -m tests.system.hostile`` sends all of them, ``test_hostile`` a part in the default suite.
"""
