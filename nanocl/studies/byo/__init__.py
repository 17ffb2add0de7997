"""Trainings in other people's loops: tables and curves of their records, which no board ranks."""
