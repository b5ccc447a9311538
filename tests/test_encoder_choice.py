"""An architecture is a name in a config, in a checkpoint and in the table of speeds."""

import copy
import dataclasses

import pytest
import torch

from mgpose.engine.checkpoint import load_encoder
from mgpose.engine.pretrain import pretrain
from mgpose.engine.pretrain_data import FINAL_CHECKPOINT
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.models import ARCHITECTURES, build_encoder
from mgpose.models.benchmark import benchmark_encoders, encoder_speed_table
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, InputError
from mgpose.structures.kinect import FLORENCE_15, KINECT_25

LAYOUTS = (UPPER_BODY_HANDS_FACE, KINECT_20, KINECT_25, FLORENCE_15)


@pytest.mark.parametrize(
    ("architecture", "size", "low", "high"),
    [
        ("st_gcn", "tiny", 0.15e6, 0.35e6),
        ("st_gcn", "small", 0.9e6, 1.2e6),
        ("st_gcn", "base", 2.8e6, 3.5e6),
        ("plain_transformer", "tiny", 0.15e6, 0.25e6),
        ("plain_transformer", "small", 8e5, 1e6),
        ("plain_transformer", "base", 2.8e6, 3.2e6),
    ],
)
def test_sizes_have_the_parameters_that_they_say(architecture, size, low, high):
    for skeleton in LAYOUTS:
        model = build_encoder(skeleton, size, 32, 4, architecture=architecture)
        assert low <= sum(p.numel() for p in model.parameters()) <= high


@pytest.mark.parametrize("architecture", ["st_gcn", "plain_transformer"])
def test_building_is_seeded_and_evaluation_repeatable(architecture):
    x = torch.randn(3, 16, len(UPPER_BODY_HANDS_FACE), 3)
    mask = torch.rand(x.shape[:3]) >= 0.2
    models = []
    for _ in range(2):
        torch.manual_seed(7)
        model = build_encoder(UPPER_BODY_HANDS_FACE, "tiny", 16, 4, 0.3, architecture).eval()
        models.append(model)
    first, again = (model(x, mask) for model in models)
    assert torch.equal(first, again)
    assert torch.equal(first, models[0](x, mask))
    torch.manual_seed(0)
    dropped = models[0].train()(x, mask)
    torch.manual_seed(1)
    assert not torch.equal(models[0](x, mask), dropped)  # dropout is on


def test_unknown_names_are_answered_with_the_known_ones():
    known = "unknown architecture 'lstm'; known: pose_graph_transformer, st_gcn, plain_transformer"
    with pytest.raises(ValueError, match=known):
        build_encoder(KINECT_20, "tiny", 8, 4, architecture="lstm")
    with pytest.raises(ValueError, match="unknown size 'huge'; known: tiny, small, base"):
        build_encoder(KINECT_20, "huge", 8, 4, architecture="st_gcn")


@pytest.mark.parametrize("architecture", ["st_gcn", "plain_transformer"])
def test_a_config_chooses_and_a_checkpoint_remembers(architecture, tiny_config, tmp_path):
    config = copy.deepcopy(tiny_config)
    config["encoder"]["architecture"] = architecture
    config["schedule"] |= {"epochs": 1, "batch_size": 4}
    config |= {"sampling": {"samples": 8}, "monitor": {"clips": 8}}
    settings = read_settings(PretrainSettings, config)
    pretrain(settings, tmp_path)
    model, card = load_encoder(tmp_path / FINAL_CHECKPOINT)
    assert card.architecture == architecture
    assert type(model) is ARCHITECTURES[architecture].build
    assert type(card.fresh_encoder()) is type(model)
    other = dataclasses.replace(settings.encoder, architecture="pose_graph_transformer")
    with pytest.raises(InputError, match=f"a finished run of.*{architecture}"):
        pretrain(dataclasses.replace(settings, encoder=other), tmp_path, resume=True)


def test_a_checkpoint_of_before_is_a_graph_transformer(tiny_run, tmp_path):
    content = torch.load(tiny_run / FINAL_CHECKPOINT, weights_only=True)
    del content["mgpose"]["architecture"]
    torch.save(content, tmp_path / "old.pth")
    _, card = load_encoder(tmp_path / "old.pth")
    assert card.architecture == "pose_graph_transformer"


def test_speeds_of_all_architectures_stand_in_one_table():
    threads = torch.get_num_threads()
    speeds = list(benchmark_encoders(2, "tiny", 2, 8, ((KINECT_20, 16),)))
    assert torch.get_num_threads() == threads
    assert [s.architecture for s in speeds] == [*ARCHITECTURES, *ARCHITECTURES]
    assert all(s.clips_per_second > 0 for s in speeds)
    *_, first, second, third = encoder_speed_table(speeds).splitlines()
    assert first.endswith("| 1.00 |")
    for row, name in zip((first, second, third), ARCHITECTURES, strict=True):
        assert row.startswith(f"| V = 20, T = 16 | {name} | 0.")
    slower = [dataclasses.replace(s, clips_per_second=40.0) for s in speeds[:3]]
    slower[1] = dataclasses.replace(slower[1], clips_per_second=10.0)
    assert "| 10.0 | 0.25 |" in encoder_speed_table(slower)
