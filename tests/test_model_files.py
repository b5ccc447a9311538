"""Shared models: exact to float16, the same bytes each time, no id inside, damage found."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import mgpose
from mgpose.data.clips import ClipSettings
from mgpose.engine import model_files
from mgpose.engine.checkpoint import CheckpointCard, TrainingSet, hash_id, load_encoder
from mgpose.engine.export import export_model, rounding_error
from mgpose.engine.model_files import Model, pack_model, unpack_model, weights_fingerprint
from mgpose.engine.pretrain import FINAL_CHECKPOINT
from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations
from mgpose.io.store import PoseStore
from mgpose.models import ARCHITECTURES
from mgpose.structures import UPPER_BODY_HANDS_FACE, InputError

LICENCE = {"tiny corpus": "made by mgpose"}
V = len(UPPER_BODY_HANDS_FACE)


def card_of(architecture="pose_graph_transformer", size="tiny", **more):
    values = {
        "skeleton": UPPER_BODY_HANDS_FACE.name,
        "keypoints": UPPER_BODY_HANDS_FACE.keypoints,
        "size": size,
        "patch": 8,
        "dropout": 0.1,
        "clip": dataclasses.asdict(ClipSettings(frames=16)),
        "data": "first set",
        "protocol": "leave_one_out",
        "fold": "person-anna",
        "videos": ("anna-interview-1", "berta-interview-2"),
        "seed": 5,
        "architecture": architecture,
        "trained_on": (TrainingSet("first set", "leave_one_out", "CC-BY-4.0"),),
        "clips": 12,
    }
    return CheckpointCard(**{**values, **more})


@pytest.fixture(scope="module")
def checkpoint(tiny_run):
    return tiny_run / FINAL_CHECKPOINT


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    return export_model(checkpoint, "tiny", tmp_path_factory.mktemp("out"), licences=LICENCE)


@pytest.fixture
def copied(exported, tmp_path):
    """The two files in a folder of their own, free to be spoilt."""
    for path in (exported.weights, exported.description):
        shutil.copy(path, tmp_path)
    return tmp_path / exported.weights.name


def refused(call, *words):
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def rewritten(path, change):
    """Change the description and make its checksum fit again."""
    described = json.loads(path.read_text())
    change(described)
    rest = {k: v for k, v in described.items() if k != "sha256"}
    path.write_text(json.dumps({**rest, "sha256": model_files._digest(rest)}))


def test_the_round_trip_is_the_rounding_to_float16_and_nothing_else(checkpoint, exported):
    before, card = load_encoder(checkpoint)
    after, said = mgpose.load_model(exported.weights)
    assert not after.training
    state, original = after.state_dict(), before.state_dict()
    assert state.keys() == original.keys()
    for key, value in original.items():
        assert state[key].dtype == torch.float32
        assert torch.equal(state[key], value.half().float())
    assert any(not torch.equal(state[key], original[key]) for key in state)
    kept = {"videos", "fold", "trained_on"}
    for field in dataclasses.fields(card):
        if field.name not in kept:
            assert getattr(said, field.name) == getattr(card, field.name)
    assert said.clips > 0
    assert said.trained_on == (TrainingSet("tiny corpus", "synthetic", "made by mgpose", True),)
    assert len(said.videos) == len(card.videos)


def test_only_the_encoders_tensors_in_float16(checkpoint, exported):
    encoder, _ = load_encoder(checkpoint)
    tensors = load_file(exported.weights)
    assert tensors.keys() == encoder.state_dict().keys()
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    with safe_open(exported.weights, "pt") as file:
        assert file.metadata() == {"format": model_files.FORMAT}


def test_embeddings_of_real_clips_stay_within_a_hundredth(checkpoint, exported, tiny_store):
    from mgpose.data.clips import load_clips, sliding_spans

    before, card = load_encoder(checkpoint)
    after, _ = mgpose.load_model(exported.weights)
    store, settings = PoseStore(tiny_store), ClipSettings(**card.clip)
    spans = list(sliding_spans(store, list(store)[:4], settings))
    clips = load_clips(store, spans, UPPER_BODY_HANDS_FACE, settings)
    with torch.no_grad():
        one, other = before(clips.x, clips.mask), after(clips.x, clips.mask)
    error = ((one - other).norm(dim=1) / one.norm(dim=1)).max()
    assert 0 < error < 1e-2
    assert 0 < exported.rounding < 1e-2


@pytest.mark.parametrize("size", ["small", "base"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_fits_and_keeps_its_embeddings(architecture, size):
    card = card_of(architecture, size)
    encoder = card.fresh_encoder(3)
    encoder.train()  # batch statistics leave zero and one, where there are any
    for _ in range(2):
        encoder(torch.randn(4, 16, V, 3), torch.ones(4, 16, V, dtype=torch.bool))
    encoder.eval()
    files = pack_model("a", encoder, card)
    assert len(files.weights) < 8e6
    loaded = unpack_model(files, "a.safetensors")
    assert rounding_error(encoder, loaded) < 1e-2
    for key, value in encoder.state_dict().items():
        rounded = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded.encoder.state_dict()[key], rounded)


def test_two_exports_have_the_same_bytes_in_other_processes_too(
    checkpoint, exported, tmp_path, repo
):
    script = (
        "from mgpose.engine.export import export_model; import sys;"
        "export_model(sys.argv[1], 'tiny', sys.argv[2], licences={'tiny corpus': sys.argv[3]})"
    )
    arguments = [str(checkpoint), str(tmp_path), LICENCE["tiny corpus"]]
    subprocess.run(
        [sys.executable, "-c", script, *arguments],
        check=True,
        env={"PYTHONPATH": str(repo), "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )
    for path in (exported.weights, exported.description, exported.card):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    # An exported model can be exported again, and stays what it is.
    again = export_model(exported.weights, "tiny", tmp_path / "again")
    assert again.weights.read_bytes() == exported.weights.read_bytes()
    assert again.description.read_bytes() == exported.description.read_bytes()
    assert again.rounding == 0
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "tiny.json",
        "tiny.md",
        "tiny.safetensors",
    ]


def test_no_id_of_a_video_or_a_person_is_in_any_byte(checkpoint, exported, tiny_store):
    _, card = load_encoder(checkpoint)
    people = {a.subject for a in read_annotations(tiny_store / ANNOTATIONS_NAME)}
    plain = checkpoint.read_bytes()
    assert all(video.encode() in plain for video in card.videos)  # the search finds what is there
    content = b"".join(
        path.read_bytes() for path in (exported.weights, exported.description, exported.card)
    )
    for name in {*PoseStore(tiny_store), *people, card.fold, str(tiny_store)}:
        assert name.encode() not in content
    before = hash_id("clara", "00ff")
    card = card_of(videos=("anna-interview-1", before))
    files = pack_model("a", card.fresh_encoder(), card)
    content = files.weights + files.description_text.encode()
    assert before.encode() in content
    assert not [name for name in (b"anna", b"clara", b"interview") if name in content]


def test_what_was_seen_can_still_be_asked(exported, checkpoint):
    _, card = load_encoder(checkpoint)
    _, said = mgpose.load_model(exported.weights)
    assert not set(said.videos) & set(card.videos)
    assert said.videos == tuple(sorted(said.videos))
    asked = (*card.videos[:3], "never-seen", "", *said.videos)
    assert set(said.revealed(asked).videos) & set(asked[:5]) == set(card.videos[:3])
    assert sorted(said.revealed(card.videos).videos) == sorted(card.videos)
    assert card.revealed(asked) == card
    # Each model has its own salt: the hashes of two models cannot be joined.
    other = pack_model("b", card_of().fresh_encoder(1), card_of(videos=card.videos))
    videos = other.description["card"]["videos"]
    assert len(videos) == len(said.videos)
    assert not set(videos) & set(said.videos)
    # Of a training that went on from another, each id has its own salt.
    mixed = dataclasses.replace(card, videos=(*said.videos, "x", videos[0])).hashed("00")
    assert {v.split(":")[1] for v in mixed.videos} == {
        "00",
        said.videos[0].split(":")[1],
        videos[0].split(":")[1],
    }
    assert {*card.videos, "x"} == set(mixed.revealed((*card.videos, "x")).videos)


def test_a_new_field_of_the_card_is_not_written_unasked():
    @dataclasses.dataclass(frozen=True)
    class More(CheckpointCard):
        people: tuple[str, ...] = ("anna",)

    card = More(**vars(card_of()))
    with pytest.raises(TypeError, match=r"neither shared nor hashed: \{'people'\}"):
        pack_model("a", card.fresh_encoder(), card)


def test_the_fingerprint_is_that_of_the_rounded_weights(checkpoint, exported):
    before, _ = load_encoder(checkpoint)
    after, _ = mgpose.load_model(exported.weights)
    prints = [weights_fingerprint(encoder.state_dict()) for encoder in (before, after)]
    assert prints[0] == prints[1]
    state = after.state_dict()
    key = next(iter(state))
    state[key] = state[key] * 1.01
    assert weights_fingerprint(state) != prints[0]


@pytest.mark.parametrize("place", [0, 7, 9, 2000, -1])
def test_a_changed_byte_of_the_weights_is_found(copied, place):
    content = bytearray(copied.read_bytes())
    content[place] ^= 1
    copied.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    refused(lambda: mgpose.load_model(copied), str(copied), "changed or damaged", found)


def test_cut_off_exchanged_or_alone(copied, exported, tmp_path):
    whole = copied.read_bytes()
    copied.write_bytes(whole[:-1])
    refused(
        lambda: mgpose.load_model(copied), f"expected {len(whole)} bytes", f"found {len(whole) - 1}"
    )
    copied.write_bytes(pack_model("tiny", card_of().fresh_encoder(9), card_of()).weights)
    refused(lambda: mgpose.load_model(copied), "take both files from one export")
    (tmp_path / "tiny.json").unlink()
    refused(lambda: mgpose.load_model(copied), "expected tiny.json beside it", "copy both")
    copied.unlink()
    refused(lambda: mgpose.load_model(copied), str(copied), "found nothing")


CHANGES = {
    "a number": lambda d: d["card"].update(seed=99),
    "an id": lambda d: d["card"]["videos"].pop(),
    "a licence": lambda d: d["card"]["trained_on"][0].update(licence="none"),
    "a key more": lambda d: d.update(more=1),
    "the checksum": lambda d: d.update(sha256="0" * 64),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_description_is_found(copied, tmp_path, what):
    path = tmp_path / "tiny.json"
    described = json.loads(path.read_text())
    CHANGES[what](described)
    path.write_text(json.dumps(described))
    refused(lambda: mgpose.load_model(copied), str(copied), "changed or damaged")


FORGERIES = {
    "format": (lambda d: d.update(format="other/1"), "mgpose-model/1"),
    "card version": (lambda d: d["card"].update(version=1), "expected checkpoint version"),
    "layout": (lambda d: d["card"].update(skeleton="dog_17"), "dog_17"),
    "keypoints": (lambda d: d["card"]["keypoints"].reverse(), "layout"),
    "another size": (lambda d: d["card"].update(size="small"), "do not fit"),
    "unknown size": (lambda d: d["card"].update(size="vast"), "vast"),
    "clip": (lambda d: d["card"].update(clip={"hz": 5}), "hz"),
    "no weights": (lambda d: d.pop("weights"), "weights"),
    "weights as a list": (lambda d: d.update(weights=[1]), "lacks"),
    "no card": (lambda d: d.pop("card"), "card"),
    "card as a list": (lambda d: d.update(card=[1]), "version"),
    "sets as numbers": (lambda d: d["card"].update(trained_on=[1]), "cannot be read"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_checksum_that_fits_saves_nobody_from_nonsense(copied, tmp_path, what):
    change, expected = FORGERIES[what]
    rewritten(tmp_path / "tiny.json", change)
    refused(lambda: mgpose.load_model(copied), str(copied), expected)


@pytest.mark.parametrize("text", ["", "[1]", "null", "{", "\x00", '{"a": ' * 100_000])
def test_no_json_at_all(copied, tmp_path, text):
    (tmp_path / "tiny.json").write_text(text)
    refused(lambda: mgpose.load_model(copied), "tiny.json", "expected")


def test_weights_that_are_no_safetensors(copied, tmp_path):
    copied.write_bytes(b"\xff" * 50)
    digest = hashlib.sha256(copied.read_bytes()).hexdigest()
    rewritten(tmp_path / "tiny.json", lambda d: d["weights"].update(bytes=50, sha256=digest))
    refused(lambda: mgpose.load_model(copied), "not a safetensors file")


def test_shipped_models_are_known_by_name(exported, checkpoint, monkeypatch, tmp_path):
    monkeypatch.setattr(model_files, "SHIPPED", tmp_path / "absent")
    assert mgpose.list_models() == ()
    refused(lambda: mgpose.load_model("tiny"), "tiny: expected", "shipped: none")
    for name in ("small-b", "base_a"):
        export_model(checkpoint, name, tmp_path / "weights", licences=LICENCE)
    monkeypatch.setattr(model_files, "SHIPPED", tmp_path / "weights")
    assert mgpose.list_models() == ("base_a", "small-b")
    model = mgpose.load_model("small-b")
    assert isinstance(model, Model)
    assert isinstance(model.encoder, nn.Module)
    state = mgpose.load_model(exported.weights).encoder.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in model.encoder.state_dict().items())
    refused(lambda: mgpose.load_model("smal"), "smal: ", "shipped: base_a, small-b")
    assert mgpose.load_model(checkpoint).card == load_encoder(checkpoint)[1]


def test_what_is_shipped_here_loads_and_is_small():
    for name in mgpose.list_models():
        encoder, card = mgpose.load_model(name)
        path = model_files.SHIPPED / f"{name}.safetensors"
        assert path.stat().st_size < 8e6
        assert path.with_suffix(".md").is_file()
        assert all(hash_id(video, "00") == video for video in (*card.videos, card.fold))
        assert all(one.licence for one in card.trained_on)
        assert not encoder.training


def test_the_folder_is_package_data(repo):
    from configparser import ConfigParser
    from pathlib import PurePath

    config = ConfigParser()
    config.read(repo / "setup.cfg")
    patterns = [p.strip() for p in config["options.package_data"]["mgpose"].split(",")]
    assert repo / "mgpose" / "weights" == model_files.SHIPPED
    for suffix in ("safetensors", "json", "md"):
        assert any(PurePath(f"weights/a.{suffix}").match(pattern) for pattern in patterns)
