"""Compiled loops on torch's OpenMP threads, or on a pool without them: the same bits."""

import _ctypes
import multiprocessing
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from trajectories import assert_same

from nanocl.optim import MicroAdam, NanoAdam, _threads
from nanocl.optim._compiled.loops_adamw import HEAD, part
from nanocl.optim._threads import Work, _shares, run

BIG = 4 * _threads.WORTHWHILE


@pytest.fixture(params=["team", "pool"])
def two_threads(request, monkeypatch):
    """Two threads of torch's OpenMP team, if there is one, or of a pool."""
    if request.param == "pool":
        monkeypatch.setattr(_threads, "_openmp", lambda: None)
    elif sys.platform != "linux":
        pytest.skip("torch is linked with an OpenMP library that has GOMP_parallel on Linux alone")
    else:
        assert _threads._openmp() is not None
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def trained(make, steps=5):
    """Weights after a few steps; between these, torch uses its threads too."""
    generator = torch.Generator().manual_seed(0)
    params = [
        nn.Parameter(torch.randn(numel, generator=generator)) for numel in (150_001, 7, 90_000, 0)
    ]
    optimizer = make(params)
    for _ in range(steps):
        for param in params:
            param.grad = torch.randn(len(param), generator=generator) + param.detach().sin()
        optimizer.step()
    return params


MAKERS = [
    lambda params: NanoAdam(params, lr=0.01, mask_interval=2, density=0.5),
    lambda params: NanoAdam(params, lr=0.01, density=1.0),
    lambda params: MicroAdam(params, lr=0.01),
]


@pytest.mark.parametrize("make", MAKERS)
def test_two_threads_give_the_bits_of_one(two_threads, make):
    both = trained(make)
    torch.set_num_threads(1)
    assert_same(both, trained(make))


def test_every_piece_is_done_once(two_threads):
    done: list[tuple[int, int]] = []

    def loop(number, first, last):
        done.extend((number, i) for i in range(first, last))

    run([Work(loop, (number,), 10, BIG) for number in range(5)])
    assert sorted(done) == list(product(range(5), range(10)))


def test_parameters_with_one_loop_and_one_set_of_arguments_are_done_in_one_call_a_thread(
    two_threads,
):
    done: list[tuple[int, int]] = []
    calls: list[int] = []

    def loop(table, done, calls, first, last):
        calls.append(len(table))
        for row in table:
            done.extend((row[HEAD], i) for i in range(*part.py_func(row, first, last)))

    args, pieces = (done, calls), (10, 0, 3, 1, 999)
    run(
        [
            Work(loop, args, count, max(1, 7 * count * BIG // 100), (number,))
            for number, count in enumerate(pieces)
        ]
    )
    assert sorted(done) == [
        (number, i) for number, count in enumerate(pieces) for i in range(count)
    ]
    assert calls == [5, 5]


def test_an_error_reaches_the_caller_and_the_next_run_works(two_threads):
    def fail(first, last):
        raise RuntimeError(f"piece {first}")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="piece"):
            run([Work(fail, (), 2, BIG)])
    test_every_piece_is_done_once(None)


def test_an_interrupt_reaches_the_caller(two_threads):
    def interrupt(first, last):
        if last == 2:
            signal.raise_signal(signal.SIGINT)  # handled by the main thread at any place

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(20):
            with pytest.raises(KeyboardInterrupt):
                run([Work(interrupt, (), 2, BIG)])
    finally:
        signal.signal(signal.SIGINT, previous)


def test_several_threads_may_run_work_at_once(two_threads):
    with ThreadPoolExecutor(3) as callers:
        together = list(callers.map(lambda _: trained(MAKERS[0], steps=2), range(3)))
    assert all(
        torch.equal(one, other)
        for params in together
        for one, other in zip(params, together[0], strict=True)
    )


def test_a_forked_child_steps_without_its_parents_threads(two_threads):
    param = nn.Parameter(torch.randn(4 * BIG, generator=torch.Generator().manual_seed(0)))
    param.grad = torch.ones_like(param)
    optimizer = NanoAdam([param], density=0.5)
    optimizer.step()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def step_and_report():
        optimizer.step()
        queue.put(param.detach().numpy()[::50].tobytes())

    child = context.Process(target=step_and_report)
    child.start()
    child.join(30)
    finished = child.exitcode == 0
    child.kill()
    optimizer.step()
    assert finished and queue.get() == param.detach().numpy()[::50].tobytes()


def test_a_team_smaller_than_requested_does_all_the_work(monkeypatch):
    monkeypatch.setattr(
        _threads, "_openmp", lambda: (lambda body, data, threads: None, lambda: None)
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        test_every_piece_is_done_once(None)
    finally:
        torch.set_num_threads(threads)


def test_a_torch_without_openmp_is_no_error(monkeypatch):
    monkeypatch.setattr(torch._C, "__file__", _ctypes.__file__)
    assert _threads._openmp.__wrapped__() is None


def cost_of_an_entry(density):
    param = nn.Parameter(torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    param.grad = torch.ones_like(param)
    optimizer = NanoAdam([param], density=density)
    (work,) = optimizer.update(param, {}, optimizer.param_groups[0])
    return work.cost / (density * len(param))


def test_an_isolated_entry_costs_more_than_one_among_neighbours():
    with torch.no_grad():
        costs = [cost_of_an_entry(density) for density in (0.01, 0.1, 0.5, 1.0)]
    assert costs == sorted(costs, reverse=True) and costs[0] > 4 * costs[-1] == 4


def test_state_on_another_device_is_refused():
    param = nn.Parameter(torch.ones(100))
    param.grad = torch.ones(100)
    optimizer = NanoAdam([param], density=0.5, fused=True)
    optimizer.step()
    optimizer.state[param]["mean"] = optimizer.state[param]["mean"].to("meta")
    with pytest.raises(RuntimeError, match="on the CPU, got it on meta"):
        optimizer.step()


@given(
    costs=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 10**6)), min_size=1, max_size=8),
    threads=st.integers(1, 5),
)
def test_threads_get_every_piece_once_and_equal_costs(costs, threads):
    works = [Work(print, (number,), pieces, cost) for number, (pieces, cost) in enumerate(costs)]
    total = sum(work.cost for work in works)
    shares = _shares(works, total, threads)
    done, loads = [], []
    for share in shares:
        for work, first, last in share:
            done += [(work.args[0], piece) for piece in range(first, last)]
        loads.append(sum(w.cost / w.pieces * (last - first) for w, first, last in share))
    every = [(number, piece) for number, work in enumerate(works) for piece in range(work.pieces)]
    assert sorted(done) == every
    largest_piece = max(work.cost / work.pieces for work in works)
    assert max(loads) <= total / threads + len(works) * largest_piece
