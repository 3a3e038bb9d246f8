"""Damaged input for every reader, and processes that read it; see ``tests/reliability/fuzz.py``."""
