"""Measures the runs that a call asks for: check, engine, progress, records."""
