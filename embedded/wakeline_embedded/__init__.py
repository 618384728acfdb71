"""The embedded stack: every server Wakeline needs, started from installed packages on loopback."""
