"""Checkpoints: plain, whole, and refused in one line where they are not ours."""

import io
import os
import pickle
import random
import shutil

import numpy as np
import pytest
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from mgpose.engine.checkpoint import CheckpointCard, load_encoder, read_checkpoint
from mgpose.engine.pretrain import FINAL_CHECKPOINT
from mgpose.structures import UPPER_BODY_HANDS_FACE, InputError


@pytest.fixture(scope="module")
def path(tiny_run):
    return tiny_run / FINAL_CHECKPOINT


@pytest.fixture
def content(path):
    return torch.load(path, weights_only=True)


def refused(path, load=load_encoder):
    """The message, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert len(message) < 500
    return message


def test_it_is_plain(path, content):
    assert get_unsafe_globals_in_checkpoint(path) == []
    assert {"state_dict", "optimizer", "param_schedulers", "mgpose", "rng"} <= content.keys()
    card = content["mgpose"]
    assert card["keypoints"] == list(UPPER_BODY_HANDS_FACE.keypoints)
    assert isinstance(card["videos"], list)


def test_no_path_of_the_machine_is_inside(path, content, tiny_store):
    """A checkpoint that is handed on says what it was trained on, not where that lay."""

    def texts(value):
        if isinstance(value, dict):
            return [t for pair in value.items() for v in pair for t in texts(v)]
        if isinstance(value, list | tuple):
            return [t for v in value for t in texts(v)]
        return [value] if isinstance(value, str) else []

    shared = {k: v for k, v in content.items() if k != "meta"}
    assert not [t for t in texts(shared) if str(tiny_store.parent) in t]


def test_the_encoder_is_the_trained_one(path, content):
    encoder, card = load_encoder(path)
    assert not encoder.training
    state = encoder.state_dict()
    prefix = "objective.teacher.encoder."
    trained = {
        k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)
    }
    assert state.keys() == trained.keys()
    assert all(torch.equal(state[k], trained[k]) for k in trained)
    fresh = card.fresh_encoder().state_dict()
    assert any(not torch.equal(fresh[k], trained[k]) for k in trained)
    assert card == CheckpointCard(
        **{
            k: tuple(v) if isinstance(v, list) else v
            for k, v in content["mgpose"].items()
            if k != "version"
        }
    )
    assert content["mgpose"] == card.as_plain()


def test_the_untrained_encoder_leaves_the_generator_alone(path):
    _, card = load_encoder(path)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, same, other = (card.fresh_encoder(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)
    assert {k: v.shape for k, v in one.items()} == {k: v.shape for k, v in other.items()}


def test_missing_and_folders(tmp_path):
    assert "found nothing" in refused(tmp_path / "none.pth")
    assert "found nothing" in refused(tmp_path)


def test_truncated(path, tmp_path):
    whole = path.read_bytes()
    part = tmp_path / "part.pth"
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        part.write_bytes(whole[:length])
        refused(part)


def test_anything_else(tmp_path):
    """Text, noise and other formats: an InputError whatever the unpickler stumbles over."""
    rng = random.Random(0)
    path = tmp_path / "other.pth"
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros(3))
    contents = [
        b"hello",
        b"this is no checkpoint\n" * 50,
        b"\x89PNG\r\n\x1a\n",
        b"\x80\x02",
        b"0",
        b"PK",
        b"\x80\x02]q\x00.",
        b"a",
        b"R",
        b"\x85.",
        b"cos\nsystem\n.",
        archive.getvalue(),
        *(bytes([c, *rng.randbytes(40)]) for c in range(256)),
    ]
    for content in contents:
        path.write_bytes(content)
        refused(path)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_is_never_run(content, tmp_path, how):
    path, proof = tmp_path / "evil.pth", tmp_path / "proof"
    evil = {**content, "extra": Attack(proof)}
    if how == "torch":
        torch.save(evil, path)
    else:
        path.write_bytes(pickle.dumps(evil))
    refused(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    "other",
    [{"state_dict": {}}, {"mgpose": {}}, {}, [1, 2], torch.zeros(3), {"model": {}, "epoch": 3}],
)
def test_another_projects_file(tmp_path, other):
    path = tmp_path / "other.pth"
    torch.save(other, path)
    assert "tools/train.py" in refused(path)


def changed_card(**changes):
    return lambda content: content["mgpose"].update(changes)


def without(key):
    return lambda content: content["mgpose"].pop(key)


def first_weight(content):
    return next(k for k in content["state_dict"] if k.startswith("objective.teacher.encoder."))


CHANGES = {
    "version": (changed_card(version=99), "version 4, found 99"),
    "an earlier version": (changed_card(version=3), "version 4, found 3"),
    "no version": (without("version"), "version 4, found None"),
    "card": (lambda content: content.update(mgpose=[1]), "version 4, found None"),
    "layout": (changed_card(skeleton="kinect_20"), "layout 'kinect_20'"),
    "unknown layout": (changed_card(skeleton="dog_17"), "dog_17"),
    "keypoints": (lambda content: content["mgpose"]["keypoints"].reverse(), "layout"),
    "a keypoint less": (lambda content: content["mgpose"]["keypoints"].pop(), "69 keypoints"),
    "field gone": (without("clip"), "clip"),
    "field added": (changed_card(colour="red"), "colour"),
    "keypoints gone": (without("keypoints"), "keypoints"),
    "clip key": (changed_card(clip={"frames": 16, "hz": 5}), "hz"),
    "size": (changed_card(size="gigantic"), "gigantic"),
    "another size": (changed_card(size="small"), "do not fit"),
    "patch": (changed_card(patch=5), "patch"),
    "weight gone": (lambda c: c["state_dict"].pop(first_weight(c)), "do not fit"),
    "weight shape": (
        lambda c: c["state_dict"].update({first_weight(c): torch.zeros(2, 2)}),
        "do not fit",
    ),
    "weight added": (
        lambda c: c["state_dict"].update({"objective.teacher.encoder.x": torch.zeros(2)}),
        "do not fit",
    ),
    "weights are a list": (lambda content: content.update(state_dict=[1]), "tools/train.py"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed(content, tmp_path, what):
    change, expected = CHANGES[what]
    change(content)
    path = tmp_path / "changed.pth"
    torch.save(content, path)
    assert expected in refused(path)


def test_reading_is_not_loading(path, content, tmp_path):
    copy = tmp_path / "copy.pth"
    shutil.copy(path, copy)
    again = read_checkpoint(copy)
    assert again.keys() == content.keys()
    assert again["mgpose"] == content["mgpose"]
