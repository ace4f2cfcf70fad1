"""Emulated machines for tests: a Debian kernel and small root file systems, made without root from Debian packages."""
