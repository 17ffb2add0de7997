"""Each run is started once here or left to the process that measures it."""

from making import a_spec

from nanocl.engine.pools import _Waiting as Waiting

SPECS = [a_spec("sgd", seed) for seed in range(3)]
ALONE = [(spec,) for spec in SPECS]


class Elsewhere:
    """Reservations of a folder where others measure seed 0 now and have measured seed 1."""

    def __init__(self):
        self.states = {0: "busy", 1: "measured", 2: "taken"}
        self.taken, self.released = [], []

    def take(self, spec):
        self.taken.append(spec.seed)
        return self.states[spec.seed]

    def release(self, spec):
        self.released.append(spec.seed)


def test_without_reservations_every_run_is_taken_in_order():
    waiting = Waiting(ALONE, None)
    assert [waiting.take() for _ in range(4)] == [*((task, 1) for task in ALONE), None]
    assert not waiting


def test_a_measured_run_is_dropped_and_a_busy_one_asked_for_again():
    elsewhere = Elsewhere()
    waiting = Waiting(ALONE, elsewhere)
    assert waiting.take() == (ALONE[2], 1) and waiting.take() is None
    assert waiting and waiting.elsewhere == [SPECS[0]]
    elsewhere.states[0] = "taken"
    waiting.look_again()
    assert waiting.take() == (ALONE[0], 1) and not waiting


def test_a_group_starts_with_the_runs_that_nobody_else_measures():
    elsewhere = Elsewhere()
    waiting = Waiting([tuple(SPECS)], elsewhere)
    assert waiting.take() == (ALONE[2], 1) and waiting.elsewhere == [SPECS[0]]
    assert elsewhere.taken == [0, 1, 2]


def test_another_attempt_keeps_its_reservation():
    elsewhere = Elsewhere()
    waiting = Waiting(ALONE[2:], elsewhere)
    (spec,), attempt = waiting.take()
    waiting.again(spec, attempt + 1)
    assert waiting.take() == ((spec,), 2) and elsewhere.taken == [2]
    waiting.release(spec)
    assert elsewhere.released == [2]
