"""Backbones have the published sizes, take images of all kinds, and start from files of weights safely."""

import http.server
import importlib
import pickle
import socket
import threading
import time

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from torchvision import models

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.models._collections import answers
from nanocl.models._weights import load_weights, read_state
from nanocl.models.mlp import MLP
from nanocl.models.resnet32 import ResNet32
from nanocl.models.slim_resnet18 import SlimResNet18
from nanocl.models.small_cnn import SmallCNN
from nanocl.models.student import Student
from nanocl.models.torchvision import Torchvision
from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.streams.split import Split
from nanocl.training.heads import Network

IMAGE_MODELS = {
    "mlp": MLP,
    "small-cnn": SmallCNN,
    "small-cnn with batch norm": lambda inputs: SmallCNN(inputs, width=8, norm="batch"),
    "small-cnn with group norm": lambda inputs: SmallCNN(inputs, width=8, norm="group"),
    "slim-resnet18": SlimResNet18,
    "resnet32": ResNet32,
    "resnet20": lambda inputs: ResNet32(inputs, depth=20),
    "torchvision": Torchvision,
    "torchvision squeezenet": lambda inputs: Torchvision(inputs, architecture="squeezenet1_1"),
}


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def seeded(make, inputs, seed=0):
    torch.manual_seed(seed)
    return make(inputs)


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("model", "classes", "published"),
    [
        (MLP((1, 28, 28)), 10, 478_410),  # 784-400-400-10
        (
            ResNet32((3, 32, 32), depth=20),
            10,
            269_722,
        ),  # "0.27M", He et al., table 6; the file of public weights
        (ResNet32((3, 32, 32)), 10, 464_154),  # "0.46M"
        (ResNet32((3, 32, 32), depth=56), 10, 853_018),  # "0.85M"
        (SlimResNet18((3, 32, 32), width=64), 10, 11_173_962),  # the ResNet-18 usual on CIFAR-10
        (Torchvision((3, 224, 224)), 1000, 11_689_512),  # torchvision's table
        (Torchvision((3, 64, 64), architecture="mobilenet_v2"), 1000, 3_504_872),
    ],
)
def test_models_with_their_output_layer_have_the_published_number_of_parameters(
    model, classes, published
):
    assert parameters(model, nn.Linear(model.features, classes)) == published


@pytest.mark.parametrize("inputs", [(1, 28, 28), (3, 32, 32), (3, 64, 48)])
@pytest.mark.parametrize("make", IMAGE_MODELS.values(), ids=IMAGE_MODELS)
def test_a_backbone_gives_one_vector_per_image_of_any_size(make, inputs):
    model = make(inputs)
    result = model(torch.rand(2, *inputs))
    assert result.shape == (2, model.features)
    assert result.is_contiguous() and result.dtype == torch.float32


@pytest.mark.parametrize("make", IMAGE_MODELS.values(), ids=IMAGE_MODELS)
def test_one_seed_gives_one_start_and_another_seed_another(make):
    first, again, other = (state_of(seeded(make, (3, 32, 32), seed)) for seed in (4, 4, 5))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize(
    "make", [*IMAGE_MODELS.values(), lambda inputs: nn.Sequential(nn.Flatten(), Student((3072,)))]
)
def test_every_parameter_is_trained_and_kept_in_the_plain_layout(make):
    model = seeded(make, (3, 32, 32))
    model(torch.rand(4, 3, 32, 32)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.is_contiguous() and parameter.grad.is_contiguous(), name
    assert sum(bool(p.grad.any()) for p in model.parameters()) > 0.9 * len(list(model.parameters()))


def test_mlp_is_its_layers_in_turn():
    model = seeded(lambda inputs: MLP(inputs, width=7, depth=3), (2, 3, 3))
    inputs = torch.rand(5, 2, 3, 3)
    values = inputs.reshape(5, 18)
    for weight, bias in zip(*[iter(model.state_dict().values())] * 2, strict=True):
        values = (values @ weight.T + bias).clamp(min=0)
    assert torch.allclose(model(inputs), values, atol=1e-6)
    assert MLP((12,))(torch.rand(2, 12)).shape == (2, 400)


def test_small_cnn_is_convolution_relu_and_pooling_whatever_the_order_and_layout():
    model = seeded(SmallCNN, (3, 32, 32))
    values = inputs = torch.rand(2, 3, 32, 32)
    for weight, bias in zip(*[iter(model.state_dict().values())] * 2, strict=True):
        values = functional.max_pool2d(functional.conv2d(values, weight, bias, padding=1).relu(), 2)
    assert torch.allclose(model(inputs), values.flatten(1), atol=1e-5)


def test_slim_resnet18_is_torchvisions_with_a_small_first_layer():
    ours = seeded(lambda inputs: SlimResNet18(inputs, width=64), (3, 32, 32))
    theirs = models.ResNet(models.resnet.BasicBlock, [2, 2, 2, 2])
    theirs.conv1, theirs.maxpool, theirs.fc = (
        nn.Conv2d(3, 64, 3, 1, 1, bias=False),
        nn.Identity(),
        nn.Identity(),
    )
    theirs.load_state_dict(
        {name.replace("shortcut", "downsample"): value for name, value in ours.state_dict().items()}
    )
    inputs = torch.rand(2, 3, 32, 32)
    assert torch.allclose(ours(inputs), theirs(inputs), atol=1e-5)
    assert torch.allclose(ours.eval()(inputs), theirs.eval()(inputs), atol=1e-5)


@pytest.mark.parametrize(("depth", "published"), [(20, 0.9173), (32, 0.9263), (56, 0.9339)])
def test_resnet_with_the_public_weights_reaches_their_accuracy_on_cifar10(
    data_root, depth, published
):
    folder = data_root / "weights" / "cifar10_resnets"
    files = sorted(folder.glob(f"resnet{depth}-*.th"))
    if not files:
        pytest.skip(f"needs resnet{depth}-*.th in {folder}")
    stream = Split(data="cifar10", experiences=1, test_samples=40, normalise="imagenet")
    scenario = stream.build(scenario="class", seed=0, data_root=data_root)
    model = ResNet32(scenario.inputs, depth=depth, weights=str(files[0])).eval()
    output = {
        name.removeprefix("module."): value for name, value in read_state(str(files[0])).items()
    }
    right = 0
    with torch.no_grad():
        for inputs, targets, _ in MiniBatches(tensor_parts(scenario.test_stream[0].dataset), 100):
            scores = functional.linear(
                model(inputs), output["linear.weight"], output["linear.bias"]
            )
            right += (scores.argmax(1) == targets).sum().item()
    assert right / 400 == pytest.approx(published, abs=0.04)  # 3 standard errors of 400 images


def test_the_student_starts_at_zero_with_mirrored_neurons_and_no_biases():
    torch.manual_seed(0)
    network = Network(Student((3,), hidden=2000, init_scale=2.0), outputs=1)
    named = dict(network.named_parameters())
    assert set(named) == {"backbone.layer.weight", "head.weight"}
    w, a = named["backbone.layer.weight"], named["head.weight"]
    assert torch.equal(w[:1000], w[1000:]) and torch.equal(a[:, :1000], -a[:, 1000:])
    assert w.std().item() == pytest.approx(2 / 2000**0.5, rel=0.1)
    assert a.std().item() == pytest.approx(2 / 2000**0.5, rel=0.1)
    x = torch.randn(50, 3)
    assert torch.allclose(network(x), torch.zeros(50, 1), atol=1e-6)
    assert torch.equal(network.backbone(x), (x @ w.T).clamp(min=0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP((4,), width=0), "width must be at least 1, got 0"),
        (lambda: MLP((4,), depth=0), "depth must be at least 1, got 0"),
        (lambda: SmallCNN((3, 7, 32)), r"sides of at least 8, got \(3, 7, 32\)"),
        (
            lambda: SmallCNN((3, 32, 32), width=12, norm="group"),
            "width must be a multiple of 8, got 12",
        ),
        (
            lambda: SmallCNN((3, 32, 32), norm="layer"),
            "norm must be one of none, batch, group, got 'layer'",
        ),
        (lambda: ResNet32((3, 32, 32), depth=30), "depth must be 6n [+] 2 .*, got 30"),
        (lambda: ResNet32((784,)), r"inputs must be \(channels, height, width\), got \(784,\)"),
        (lambda: SlimResNet18((3, 32, 32), width=-1), "width must be at least 1, got -1"),
        (lambda: Student((2,), hidden=5), "hidden must be even and at least 2, got 5"),
        (lambda: Student((2,), init_scale=0.0), "init_scale must be above 0, got 0.0"),
        (lambda: Torchvision((4, 32, 32)), r"got \(4, 32, 32\)"),
        (
            lambda: Torchvision((3, 32, 32), pretrained=True, weights="w.pt"),
            "pretrained and weights exclude each other",
        ),
        (
            lambda: Torchvision((3, 32, 32), architecture="resnet81"),
            "no classification network 'resnet81'; did you mean",
        ),
        (
            lambda: Torchvision((3, 8, 8), architecture="alexnet"),
            r"torchvision:alexnet cannot take .* \(3, 8, 8\): ",
        ),
        (
            lambda: Torchvision((3, 30, 30), architecture="vit_b_16"),
            r"cannot build torchvision:vit_b_16 .* \(3, 30, 30\)",
        ),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


WEIGHTED = {
    "mlp": (MLP, (1, 8, 8)),
    "small-cnn": (SmallCNN, (3, 16, 16)),
    "slim-resnet18": (SlimResNet18, (3, 16, 16)),
    "resnet32": (
        lambda inputs, weights="": ResNet32(inputs, depth=20, weights=weights),
        (3, 16, 16),
    ),
    "torchvision": (
        lambda inputs, weights="": Torchvision(inputs, architecture="resnet18", weights=weights),
        (3, 64, 64),
    ),
}


@pytest.mark.parametrize("form", ["backbone", "network", "data parallel", "nested", "safetensors"])
@pytest.mark.parametrize(("make", "inputs"), WEIGHTED.values(), ids=WEIGHTED)
def test_weights_come_back_from_every_form_people_save_them_in(tmp_path, make, inputs, form):
    model = seeded(make, inputs, 1)
    state, file = model.state_dict(), tmp_path / "weights.pt"
    if form == "network":
        state = Network(model, outputs=3, kind="seen").state_dict()
    elif form == "data parallel":
        state = {f"module.{name}": value for name, value in state.items()} | {
            "module.linear.bias": torch.zeros(10)
        }
    elif form == "nested":
        state = {"epoch": 3, "state_dict": state}
    if form == "safetensors":
        file = tmp_path / "weights.safetensors"
        save_file(state, file)
    else:
        torch.save(state, file)
    torch.manual_seed(2)
    assert same(make(inputs, weights=str(file)).state_dict(), model.state_dict())


def test_torchvisions_own_files_fit_its_networks(tmp_path):
    for architecture in ("resnet18", "squeezenet1_1", "googlenet"):
        original = models.get_model(architecture, weights=None)
        torch.save(original.state_dict(), tmp_path / "original.pth")
        model = Torchvision(
            (3, 64, 64), architecture=architecture, weights=str(tmp_path / "original.pth")
        )
        state = model.network.state_dict()
        assert len(state) > 20 and all(
            torch.equal(value, original.state_dict()[name]) for name, value in state.items()
        )


def test_torchvision_features_are_what_its_output_layer_reads_and_grey_images_count_as_colour():
    ours = seeded(Torchvision, (1, 40, 40)).eval()
    theirs = seeded(lambda inputs: models.resnet18(), None).eval()
    images = torch.rand(2, 1, 40, 40)
    assert torch.allclose(theirs.fc(ours(images)), theirs(images.expand(-1, 3, -1, -1)), atol=1e-5)


class Hostile:
    def __reduce__(self):
        return print, ("unpickled",)


def test_a_file_that_needs_unpickling_is_refused_and_not_run(tmp_path, capsys):
    state = {"layers.0.weight": Hostile()}
    torch.save(state, tmp_path / "torch.pt")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(state))
    for name in ("torch.pt", "plain.pkl"):
        with pytest.raises(
            UserError, match=r"cannot read weights .*files that need unpickling are refused"
        ) as caught:
            MLP((4,), weights=str(tmp_path / name))
        assert "\n" not in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_damaged_file_is_named(tmp_path, name):
    state, path = MLP((4,)).state_dict(), tmp_path / name
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    whole = path.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        b"not weights",
        whole[:5] + b"\xff" * 40 + whole[45:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"cannot read weights .*{name}"):
            MLP((4,), weights=str(path))


def test_weights_that_do_not_fit_change_nothing_and_say_why(tmp_path):
    path = tmp_path / "weights.pt"
    model = MLP((4,), width=5)
    before, state = state_of(model), state_of(MLP((4,), width=6, depth=1))
    torch.save(state | {"extra": torch.zeros(1)}, path)
    faults = (
        r"the file lacks layers.2.weight, layers.2.bias; it has unknown extra; "
        r"it has layers.0.weight \(6, 4\) instead of \(5, 4\), layers.0.bias"
    )
    with pytest.raises(UserError, match=f"do not fit MLP: {faults}"):
        load_weights(model, str(path))
    assert same(model.state_dict(), before)
    torch.save({"layers.0.weight": 3}, path)
    with pytest.raises(UserError, match="must contain named tensors"):
        load_weights(model, str(path))
    with pytest.raises(UserError, match=r"no file of weights .*missing.pt"):
        load_weights(model, str(tmp_path / "missing.pt"))


def test_pretrained_weights_without_network_are_one_clear_error(monkeypatch, tmp_path):
    module = importlib.import_module("nanocl.models.torchvision")
    monkeypatch.setattr(module, "answers", lambda url: False)
    monkeypatch.setattr(module, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        UserError,
        match=r"resnet18-f37072fd.pth does not answer; copy them there, or .*model.weights",
    ):
        Torchvision((3, 32, 32), pretrained=True)


def test_pretrained_weights_in_the_cache_need_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        importlib.import_module("nanocl.models.torchvision"), "answers", lambda url: False
    )
    original = seeded(lambda inputs: models.resnet18(), None, 9)
    path = tmp_path / "hub" / "checkpoints" / models.ResNet18_Weights.DEFAULT.url.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    torch.save(original.state_dict(), path)
    model = Torchvision((3, 32, 32), pretrained=True)
    # torchvision checks the hash of what it downloads only
    assert torch.equal(model.network.conv1.weight, original.conv1.weight)


def test_a_server_that_is_silent_or_absent_is_known_soon():
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


def test_timm_networks_take_grey_and_colour_images(tmp_path):
    timm = pytest.importorskip("timm")
    from nanocl.models.timm import Timm

    for architecture, inputs in (
        ("resnet10t", (1, 40, 40)),
        ("test_vit", (3, 32, 32)),
        ("test_vit", (1, 64, 64)),
    ):
        model = Timm(inputs, architecture=architecture)
        assert model(torch.rand(2, *inputs)).shape == (2, model.features)
    original = timm.create_model("resnet10t")
    torch.save(original.state_dict(), tmp_path / "timm.pth")
    model = Timm((3, 40, 40), architecture="resnet10t", weights=str(tmp_path / "timm.pth")).eval()
    images = torch.rand(2, 3, 40, 40)
    assert torch.allclose(original.eval().fc(model(images)), original(images), atol=1e-5)
    with pytest.raises(
        UserError, match="timm has no classification network 'resnet10'; did you mean"
    ):
        Timm((3, 32, 32), architecture="resnet10")


def test_timm_without_network_says_so_at_once(monkeypatch, tmp_path):
    pytest.importorskip("timm")
    from huggingface_hub import constants

    module = importlib.import_module("nanocl.models.timm")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(module, "answers", lambda url: False)
    with pytest.raises(
        UserError, match=r"cannot get the pretrained weights of timm:test_vit .*model.weights=FILE"
    ):
        module.Timm((3, 160, 160), architecture="test_vit", pretrained=True)


def test_a_missing_timm_is_named_with_the_command_that_installs_it(monkeypatch):
    module = importlib.import_module("nanocl.models.timm")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'nanocl\[timm\]'"):
        module.Timm((3, 32, 32))


def test_every_model_and_stream_can_be_listed_and_cites_its_source():
    listed = Catalogue().plugins("models")
    assert set(listed) >= {
        "mlp",
        "small-cnn",
        "slim-resnet18",
        "resnet32",
        "student",
        "torchvision",
        "timm",
    }
    for plugin in (*listed.values(), *Catalogue().plugins("streams").values()):
        assert plugin.citation.startswith("@") and plugin.citation.count(
            "{"
        ) == plugin.citation.count("}"), plugin.name
        assert "Source:" in catalogue.load(plugin).__doc__, plugin.name
