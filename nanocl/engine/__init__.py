"""Where runs are executed. Every engine has `run_all(run_one, specs, ...)` that yields results in any order."""
