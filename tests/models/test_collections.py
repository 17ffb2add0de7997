"""Names, feature lengths and servers of networks from collections."""

import http.server
import socket
import threading
import time

import pytest
import torch
from backbones import same, state_of
from torch import nn

from nanocl.models._collections import answers, check_name, features_of, with_features
from nanocl.records import UserError


def test_a_silent_or_absent_server_is_reported_within_the_time_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        start = time.monotonic()
        assert not answers(address, seconds=0.3)
        assert time.monotonic() - start < 2
    assert not answers(address, seconds=2)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert answers(f"http://127.0.0.1:{server.server_port}/", seconds=5)
        server.shutdown()


class _Quiet(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_features_of_changes_neither_the_network_nor_the_random_state():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.BatchNorm1d(7))
    before, random_state = state_of(network), torch.get_rng_state()
    assert features_of(network, (3, 2, 2), "it") == 7
    assert same(state_of(network), before) and network.training
    assert torch.equal(torch.get_rng_state(), random_state)
    with pytest.raises(UserError, match=r"it cannot take inputs of shape \(3, 2, 3\): "):
        features_of(network, (3, 2, 3), "it")
    with pytest.raises(UserError, match=r"it must return one feature vector .* \(1, 4, 6, 6\)"):
        features_of(nn.Conv2d(3, 4, 3), (3, 8, 8), "it")


def test_a_misspelt_architecture_is_refused_with_the_nearest_name():
    check_name("timm", "resnet18", ["resnet18", "vgg11"])
    with pytest.raises(UserError, match="'resnet81'; did you mean 'resnet18'"):
        check_name("timm", "resnet81", ["vgg11", "resnet18"])


def test_what_is_no_module_is_refused():
    with pytest.raises(UserError, match=r"mine:make must return a torch.nn.Module, got dict"):
        with_features({}, (3,), "mine:make")
