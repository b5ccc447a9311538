"""What a pre-training starts from: rates by layer, an earlier encoder, several sets."""

import copy
import dataclasses
import functools

import pytest
import torch

from mgpose.data.augment import Augmentation, AugmentSettings
from mgpose.data.folds import Corpus
from mgpose.engine.checkpoint import CheckpointCard, load_encoder
from mgpose.engine.optimisation import optimisation
from mgpose.engine.pretrain import FINAL_CHECKPOINT, build_runner, pretrain
from mgpose.engine.pretrain_model import PretrainModel
from mgpose.engine.settings import PretrainSettings, ScheduleSettings, read_settings
from mgpose.io import PoseStore
from mgpose.io.pose_file import write_pose_file
from mgpose.models import build_encoder
from mgpose.objectives import ObjectiveSettings, TeacherStudent
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, InputError


def settings_of(config, **sections):
    config = copy.deepcopy(config)
    for name, values in sections.items():
        config[name] = {**config.get(name, {}), **values} if isinstance(values, dict) else values
    return read_settings(PretrainSettings, config)


@functools.cache
def corpus_of(data):
    """Read once for all runs."""
    return Corpus(data)


def runner_of(settings, folder):
    corpus = corpus_of(settings.data)
    (split,) = corpus.folds()
    return build_runner(settings, corpus, split, folder, start=None)


def card(**changes):
    values = {
        "skeleton": "upper_body_hands_face",
        "keypoints": UPPER_BODY_HANDS_FACE.keypoints,
        "size": "tiny",
        "patch": 8,
        "dropout": 0.0,
        "clip": {"frames": 16},
        "data": "other",
        "protocol": "unlabelled",
        "fold": "only",
        "videos": ("other_video",),
        "seed": 3,
    }
    return CheckpointCard(**values | changes)


def write_checkpoint(path, card, seed=7):
    """A checkpoint of an encoder with weights of its own."""
    encoder = card.fresh_encoder(seed)
    state = {f"objective.teacher.encoder.{k}": v for k, v in encoder.state_dict().items()}
    torch.save({"state_dict": state, "mgpose": card.as_plain()}, path)
    return encoder


@pytest.mark.parametrize("architecture", ["pose_graph_transformer", "st_gcn", "plain_transformer"])
@pytest.mark.parametrize("decay", [1.0, 0.6])
def test_each_layer_below_learns_at_a_lower_rate(architecture, decay):
    encoder = build_encoder(KINECT_20, "tiny", 8, 4, architecture=architecture)
    objective = TeacherStudent(encoder, ObjectiveSettings(hidden=8, out=4))
    model = PretrainModel(objective, Augmentation(KINECT_20, AugmentSettings()), seed=0)
    schedule = ScheduleSettings(learning_rate=0.01, weight_decay=0.2, layer_decay=decay)
    groups = optimisation(schedule, model).optimizer.param_groups
    found = {id(p): group for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(found)
    layers = encoder.layer_groups()
    below = {id(p): len(layers) - i for i, layer in enumerate(layers) for p in layer}
    learned = [p for p in model.parameters() if p.requires_grad]
    assert found.keys() == {id(p) for p in learned}
    for p in learned:
        group, heads = found[id(p)], 0
        assert group["lr"] == pytest.approx(0.01 * decay ** below.get(id(p), heads))
        assert group["weight_decay"] == (0.2 if p.ndim > 1 else 0)
    assert not {id(p) for p in objective.teacher.parameters()} & found.keys()
    rates = {group["lr"] for group in groups}
    assert len(rates) == (1 if decay == 1 else len(layers) + 1)


def test_a_run_goes_on_from_an_earlier_encoder(tiny_config, tmp_path):
    earlier = write_checkpoint(tmp_path / FINAL_CHECKPOINT, card())
    for start in (tmp_path, tmp_path / FINAL_CHECKPOINT):  # a work folder, a file
        settings = settings_of(tiny_config, schedule={"start_from": str(start)})
        model = runner_of(settings, tmp_path / "run").model
        for side in (model.objective.student, model.objective.teacher):
            state = side.encoder.state_dict()
            assert all(torch.equal(state[k], v) for k, v in earlier.state_dict().items())
        # Dropout is this run's, and not the earlier one's.
        assert model.objective.student.encoder.blocks[0].dropout.p == 0.1
    fresh = runner_of(settings_of(tiny_config), tmp_path / "fresh").model
    state = fresh.objective.student.encoder.state_dict()
    assert not all(torch.equal(state[k], v) for k, v in earlier.state_dict().items())


def test_what_the_earlier_encoder_saw_is_seen_by_the_later(tiny_config, tiny_run, tmp_path):
    write_checkpoint(tmp_path / "earlier.pth", card())
    schedule = {"start_from": str(tmp_path / "earlier.pth"), "epochs": 1, "layer_decay": 0.8}
    settings = settings_of(
        tiny_config, schedule=schedule, sampling={"samples": 16}, monitor={"clips": 8}
    )
    (final,) = pretrain(settings, tmp_path / "run").values()
    _, first = load_encoder(tiny_run / FINAL_CHECKPOINT)
    _, later = load_encoder(final)
    assert later.videos == tuple(sorted({*first.videos, "other_video"}))


REFUSED = {
    "layout": (
        {"skeleton": "kinect_20", "keypoints": KINECT_20.keypoints}, "made for layout 'kinect_20'"
    ),
    "size": ({"size": "small"}, "'size': 'small'"),
    "patch": ({"patch": 4}, "'patch': 4"),
    "architecture": ({"architecture": "st_gcn"}, "st_gcn"),
    "ingredients": ({"without": ("bone",)}, "bone"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_another_encoder_is_no_start(tiny_config, tmp_path, what):
    changes, expected = REFUSED[what]
    path = tmp_path / "earlier.pth"
    write_checkpoint(path, card(**changes))
    settings = settings_of(tiny_config, schedule={"start_from": str(path)})
    with pytest.raises(InputError, match=expected) as caught:
        runner_of(settings, tmp_path / "run")
    assert str(caught.value).startswith(f"{path}: ")


def test_an_encoder_that_saw_test_videos_is_no_start(tiny_config, tmp_path):
    (split,) = corpus_of(settings_of(tiny_config).data).folds()
    path = tmp_path / "earlier.pth"
    write_checkpoint(path, card(videos=(*split.train, split.test[0])))
    settings = settings_of(tiny_config, schedule={"start_from": str(path)})
    with pytest.raises(InputError, match=f"1 videos of the test part, such as '{split.test[0]}'"):
        runner_of(settings, tmp_path / "run")
    # Of what train is tuned on, too.
    write_checkpoint(path, card(videos=split.train))
    runner_of(settings, tmp_path / "run")
    with pytest.raises(InputError, match="videos of the test part"):
        runner_of(dataclasses.replace(settings, data=tuned(settings)), tmp_path / "run")


def tuned(settings):
    return dataclasses.replace(settings.data, tuning=True)


def test_a_start_that_is_missing_or_would_be_written_over(tiny_config, tmp_path):
    settings = settings_of(tiny_config, schedule={"start_from": str(tmp_path)})
    with pytest.raises(InputError, match="found nothing"):
        runner_of(settings, tmp_path / "run")
    write_checkpoint(tmp_path / FINAL_CHECKPOINT, card())
    with pytest.raises(InputError, match="would write over it"):
        runner_of(settings, tmp_path)


@pytest.fixture(scope="module")
def second_store(tiny_store, tmp_path_factory):
    """Poses of two videos of the tiny store under ids of their own."""
    folder, poses = tmp_path_factory.mktemp("second"), PoseStore(tiny_store)
    for video in list(poses)[:2]:
        write_pose_file(folder, f"more_{video}", poses[video], poses.header(video).provenance)
    return folder


def further(config, folder, **changes):
    data = {**config["data"], "name": "more", "store": str(folder), "protocol": "unlabelled"}
    return [copy.deepcopy(data) | changes]


def test_further_sets_join_the_training(tiny_config, second_store, tmp_path):
    settings = settings_of(tiny_config, further=further(tiny_config, second_store))
    alone = runner_of(settings_of(tiny_config), tmp_path / "alone").train_dataloader.dataset
    both = runner_of(settings, tmp_path / "both").train_dataloader.dataset
    more = corpus_of(settings.further[0])
    added = more.unlabelled(more.folds()[0].train)
    assert len(both) == len(alone) + len(added) > len(alone)
    assert torch.equal(both.x, torch.cat((alone.x, added.x)))
    assert torch.equal(both.mask, torch.cat((alone.mask, added.mask)))
    # Each window still says which video and frames it shows.
    for dataset, i, j in ((alone, 3, 3), (added, 0, len(alone))):
        span = dataset.spans[dataset.clip[i]]
        assert both.spans[both.clip[j]] == span
        assert both[j]["extent"][1:].tolist() == [span.start, span.stop]
    numbers = {int(both[i]["extent"][0]) for i in range(len(both))}
    assert len(numbers) == len({span.video for span in both.spans})


def test_a_checkpoint_names_the_videos_of_all_sets(tiny_config, tiny_run, second_store, tmp_path):
    settings = settings_of(
        tiny_config,
        further=further(tiny_config, second_store),
        schedule={"epochs": 1},
        sampling={"samples": 16},
        monitor={"clips": 8},
    )
    (final,) = pretrain(settings, tmp_path).values()
    _, found = load_encoder(final)
    _, alone = load_encoder(tiny_run / FINAL_CHECKPOINT)
    added = {video for video in found.videos if video.startswith("more_")}
    assert len(added) == 2
    assert set(found.videos) == {*alone.videos, *added}


def test_batches_of_one_set_each(tiny_config, second_store, tmp_path):
    sections = {"sampling": {"one_set": True}, "schedule": {"batch_size": 4}}
    settings = settings_of(tiny_config, further=further(tiny_config, second_store), **sections)
    loader = runner_of(settings, tmp_path / "run").train_dataloader
    numbers = {video: i for i, video in enumerate(sorted({s.video for s in loader.dataset.spans}))}
    more = {i for video, i in numbers.items() if video.startswith("more_")}
    seen = [{int(video) in more for video in batch["extent"][:, 0]} for batch in loader]
    assert len(seen) == len(loader)
    assert {frozenset(one) for one in seen} == {frozenset({True}), frozenset({False})}
    other = corpus_of(settings.further[0])
    sections["schedule"]["batch_size"] = len(other.unlabelled(other.folds()[0].train)) + 1
    large = settings_of(tiny_config, further=further(tiny_config, second_store), **sections)
    with pytest.raises(InputError, match=r"one_set: every set must fill a batch of .*lower"):
        runner_of(large, tmp_path / "large")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"skeleton": "kinect_20"}, "more: expected layout and clips of tiny corpus"),
        ({"clip": {"frames": 8}}, "more: expected layout and clips of tiny corpus"),
        ({"store": None}, "share 4 videos"),
    ],
)
def test_sets_that_do_not_go_together(tiny_config, second_store, tmp_path, changes, expected):
    changes = {k: tiny_config["data"][k] if v is None else v for k, v in changes.items()}
    settings = settings_of(tiny_config, further=further(tiny_config, second_store, **changes))
    with pytest.raises(InputError, match=expected):
        runner_of(settings, tmp_path)


def test_a_further_set_has_one_fold(tiny_config, tiny_store, second_store, tmp_path, monkeypatch):
    settings = settings_of(tiny_config, further=further(tiny_config, second_store))
    folds = Corpus.folds

    def twice(self):
        return folds(self) * (2 if self.settings.name == "more" else 1)

    monkeypatch.setattr(Corpus, "folds", twice)
    with pytest.raises(InputError, match="more: expected a protocol with one fold, got 2"):
        runner_of(settings, tmp_path)


def test_a_finished_run_without_an_ingredient_is_another(tiny_config, tiny_run):
    settings = settings_of(tiny_config, encoder={"without": ["bone"]})
    with pytest.raises(InputError, match=r"a finished run of.*without"):
        pretrain(settings, tiny_run, resume=True)
