"""The teacher-student study: the claims about small weights on a very small network that forgets.

It trains many small networks side by side. An ordinary run of the same stream, model and strategy
gives the same numbers seed by seed: the engine differs, not the experiment.
"""
