"""Executes runs. Every engine has `run_all(run_one, specs, ...)`; results come in any order."""
