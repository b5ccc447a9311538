"""Pre-training under watch: what it writes down, and what it does when the encoder collapses."""

import copy
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mgpose.data.folds import Corpus
from mgpose.engine.checkpoint import load_encoder, read_checkpoint
from mgpose.engine.pretrain import FINAL_CHECKPOINT, build_runner, last_whole_checkpoint, pretrain
from mgpose.engine.scalars import clear_names
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.structures import CollapseError, InputError

sys.path.append(str(Path(__file__).parent))
from tensorboard_logs import scalars_of

# Thousands of times what works: within an epoch or two all clips get one embedding.
TOO_FAST = 10.0


def config_of(config, **sections):
    config = copy.deepcopy(config)
    # The teacher's encoder is the one watched: here it follows at once, and nothing holds it apart.
    config["objective"] = {**config.get("objective", {}), "momentum": 0.0, "decorrelation": 0.0}
    for name, values in sections.items():
        config[name] = {**config.get(name, {}), **values} if isinstance(values, dict) else values
    return config


def settings_of(config, **sections):
    return read_settings(PretrainSettings, config_of(config, **sections))


def log_of(folder):
    return "".join(path.read_text() for path in sorted(folder.rglob("*.log")))


def checkpoints(folder):
    return sorted(path.name for path in folder.rglob("*.pth"))


def same(a, b):
    """Whether two nested states are the same bytes."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_names_in_tensorboard(tiny_run):
    """The whole list: a name that comes or goes is a change for whoever reads them."""
    found = scalars_of(tiny_run)
    assert set(found) == {
        "loss/total",
        "loss/clip",
        "loss/part",
        "loss/time",
        "loss/masked",
        "loss/mixed",
        "loss/decorrelation",
        "probe/knn1_top1",
        "probe/knn1_balanced",
        "probe/knn5_top1",
        "probe/knn5_balanced",
        "probe/embedding_std",
        "probe/effective_rank",
        "probe/alignment",
        "probe/uniformity",
        "train/learning_rate",
        "train/gradient_norm",
        "train/clips_per_second",
        "train/loading_share",
        "train/epoch",
    }
    values = {tag: [value for _, value in pairs] for tag, pairs in found.items()}
    assert all(math.isfinite(v) for each in values.values() for v in each)
    assert all(value > 0 for value in values["train/gradient_norm"])
    assert all(0 <= value <= 1 for value in values["train/loading_share"])
    assert all(0 <= value <= 4 for value in values["probe/alignment"])
    assert all(-8 <= value <= 0 for value in values["probe/uniformity"])
    # The untrained encoder and both epochs of three steps.
    assert [step for step, _ in found["probe/alignment"]] == [0, 3, 6]


def test_throughput_is_clips_by_seconds():
    scalars = {"time": 0.5, "data_time": 0.1, "loss": 3.0, "loss_clip": 2.0, "lr": 1e-3}
    scalars |= {"base_lr": 1e-3, "iter": 7, "grad_norm": 4.0, "epoch": 1, "odd": 5.0}
    assert clear_names(scalars, clips=16) == {
        "train/clips_per_second": 32.0,
        "train/loading_share": 0.2,
        "loss/total": 3.0,
        "loss/clip": 2.0,
        "train/learning_rate": 1e-3,
        "train/gradient_norm": 4.0,
        "train/epoch": 1,
        "train/odd": 5.0,
    }


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_a_healthy_run_is_never_stopped(tiny_config, tmp_path, seed):
    settings = settings_of(tiny_config, seed=seed, schedule={"epochs": 6})
    (final,) = pretrain(settings, tmp_path).values()
    assert final.is_file()
    assert "collapsed" not in log_of(tmp_path)
    # Its state goes with the run, and nothing that resuming needed is left.
    state = read_checkpoint(final)["monitor"]
    assert (state["suspected"], state["healthy"], state["probed_epoch"]) == (False, True, 6)
    assert checkpoints(tmp_path) == [FINAL_CHECKPOINT]


def test_a_collapse_stops_the_tool_with_advice(repo, tiny_config, tmp_path):
    config, folder = tmp_path / "config.py", tmp_path / "run"
    schedule = {"epochs": 8, "learning_rate": TOO_FAST}
    values = config_of(tiny_config, schedule=schedule)
    config.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    done = subprocess.run(
        [sys.executable, str(repo / "tools/train.py"), str(config), "--work-dir", str(folder)],
        env={**os.environ, "PYTHONPATH": str(repo)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.rstrip().splitlines()[-1]
    assert "collapsed at epoch 2" in last
    assert f"lower schedule.learning_rate (now {TOO_FAST:g}, usually 0.003 at most)" in last
    assert "no healthy checkpoint was made" in last
    assert "Traceback" not in done.stderr
    assert checkpoints(folder) == []
    # What led there can be read, the probe of the collapse included.
    found = scalars_of(folder)
    assert [step for step, _ in found["probe/embedding_std"]] == [0, 3, 6]
    first, *_, last_std = [value for _, value in found["probe/embedding_std"]]
    assert last_std < 0.3 * first


@pytest.fixture(scope="module")
def sound_start(tiny_config, tmp_path_factory):
    """A work folder of an 8-epoch run that was broken off, healthy, in its fourth epoch."""

    class Broken(Exception):
        pass

    folder = tmp_path_factory.mktemp("monitor") / "run"
    settings = settings_of(tiny_config, schedule={"epochs": 8})
    corpus = Corpus(settings.data)
    (split,) = corpus.folds()
    runner = build_runner(settings, corpus, split, folder, start=None)
    call = runner.call_hook

    def broken(name, **arguments):
        call(name, **arguments)
        if name == "before_train_epoch" and runner.epoch == 3:
            raise Broken

    runner.call_hook = broken
    with pytest.raises(Broken):
        runner.train()
    return folder


def copied(folder, to):
    """A work folder with nothing but the healthy checkpoint."""
    to.mkdir()
    for path in folder.glob("healthy_*.pth"):
        (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.mark.slow
def test_a_collapse_leaves_the_last_healthy_checkpoint(tiny_config, sound_start, tmp_path):
    """Resumed far too fast it collapses, twice; resumed as before it ends as if nothing had been.

    The state that the healthy checkpoint holds, the alarm's too, is that of the unbroken run.
    """
    assert "healthy_epoch_3.pth" in checkpoints(sound_start)
    folder = copied(sound_start, tmp_path / "run")
    fast = settings_of(tiny_config, schedule={"epochs": 8, "learning_rate": TOO_FAST})
    for _ in range(2):
        with pytest.raises(CollapseError) as caught:
            pretrain(fast, folder, resume=True)
        text = str(caught.value)
        assert "\n" not in text
        assert f"{folder}/healthy_epoch_3.pth, the last healthy checkpoint, is left" in text
        assert "lower schedule.learning_rate" in text
        assert not (folder / FINAL_CHECKPOINT).exists()
        assert last_whole_checkpoint(folder) == folder / "healthy_epoch_3.pth"
        kept = folder / "healthy_epoch_3.pth"
        assert kept.read_bytes() == (sound_start / "epoch_3.pth").read_bytes()
    usual = settings_of(tiny_config, schedule={"epochs": 8})
    pretrain(usual, folder, resume=True)
    assert checkpoints(folder) == [FINAL_CHECKPOINT]
    pretrain(usual, tmp_path / "unbroken")
    a, b = (read_checkpoint(tmp_path / name / FINAL_CHECKPOINT) for name in ("run", "unbroken"))
    for key in ("state_dict", "optimizer", "param_schedulers", "rng", "monitor"):
        assert same(a[key], b[key]), key


def test_collapsed_at_the_last_epoch_nothing_is_published(tiny_config, sound_start, tmp_path):
    """One probe only, the last one: there is no second to confirm it."""
    folder = copied(sound_start, tmp_path / "run")
    fast = settings_of(
        tiny_config,
        schedule={"epochs": 8, "learning_rate": TOO_FAST},
        monitor={"interval": 100},
    )
    with pytest.raises(CollapseError, match="collapsed at epoch 8"):
        pretrain(fast, folder, resume=True)
    assert last_whole_checkpoint(folder) == folder / "healthy_epoch_3.pth"
    assert not (folder / FINAL_CHECKPOINT).exists()


@pytest.mark.parametrize("quiet", [False, True])
def test_the_alarm_only_warns_on_request(tiny_config, tmp_path, quiet):
    """And it is heard in a quiet run, which logs errors only."""
    settings = settings_of(
        tiny_config,
        schedule={"epochs": 3, "learning_rate": TOO_FAST},
        monitor={"stop_on_collapse": False},
    )
    (final,) = pretrain(settings, tmp_path, quiet=quiet).values()
    assert load_encoder(final)
    log = log_of(tmp_path)
    assert "collapsed at epoch 2" in log
    assert "collapsed at epoch 3" in log
    assert "lower schedule.learning_rate" in log
    assert read_checkpoint(final)["monitor"]["suspected"]


def test_a_loss_that_cannot_learn_is_a_collapse(tiny_config, tmp_path):
    """So high a temperature makes all clips alike to the loss, whatever the encoder does."""
    settings = settings_of(tiny_config, schedule={"epochs": 4}, objective={"temperature": 50.0})
    with pytest.raises(CollapseError, match="loss_clip stays at the logarithm") as caught:
        pretrain(settings, tmp_path)
    assert "lower objective.temperature (now 50, usually 0.5 at most)" in str(caught.value)


def test_weights_that_are_no_numbers_stop_the_run(tiny_config, tmp_path):
    """The last step of an epoch can spoil what its loss did not show."""
    settings = settings_of(tiny_config)
    corpus = Corpus(settings.data)
    (split,) = corpus.folds()
    runner = build_runner(settings, corpus, split, tmp_path, start=None)
    with torch.no_grad():
        for parameter in runner.model.objective.published_encoder.parameters():
            parameter.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="weights are NaN or infinite at iteration 0"):
        runner.train()
    assert checkpoints(tmp_path) == []


def test_without_labels_the_encoder_is_watched_all_the_same(tiny_config, tmp_path):
    config = config_of(
        tiny_config,
        data={"protocol": "unlabelled"},
        schedule={"epochs": 4, "learning_rate": TOO_FAST},
    )
    with pytest.raises(CollapseError, match="collapsed at epoch 2"):
        pretrain(read_settings(PretrainSettings, config), tmp_path)
    probes = {tag for tag in scalars_of(tmp_path) if tag.startswith("probe/")}
    names = ("embedding_std", "effective_rank", "alignment", "uniformity")
    assert probes == {f"probe/{name}" for name in names}


@pytest.mark.parametrize("values", [{"clips": 1}, {"interval": 0}])
def test_a_probe_that_cannot_be_taken_is_refused(tiny_config, values):
    with pytest.raises(InputError, match="interval >= 1, clips >= 2"):
        settings_of(tiny_config, monitor=values)
