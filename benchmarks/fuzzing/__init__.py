"""Damaged input for every reader, and processes that read it; see ``benchmarks/fuzz.py``."""
