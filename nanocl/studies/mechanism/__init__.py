"""The mechanism study: gradient against magnitude in probes (`--set probe.magnitude=true`).

It reads the files of the probes and trains nothing.
"""
