"""Pre-training: the same bytes whether a run is broken off or not, and what it leaves behind."""

import copy
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mgpose.data.folds import Corpus
from mgpose.engine.checkpoint import load_encoder, read_checkpoint
from mgpose.engine.pretrain import FINAL_CHECKPOINT, build_runner, pretrain
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.io import PoseStore
from mgpose.io.pose_file import write_pose_file
from mgpose.structures import InputError

sys.path.append(str(Path(__file__).parent))
from tensorboard_logs import scalars_of


def settings_of(config, **sections):
    config = copy.deepcopy(config)
    for name, values in sections.items():
        config[name] = {**config.get(name, {}), **values} if isinstance(values, dict) else values
    return read_settings(PretrainSettings, config)


def state_of(folder, name=FINAL_CHECKPOINT):
    """All that training changes."""
    content = read_checkpoint(folder / name)
    return {key: content[key] for key in ("state_dict", "optimizer", "param_schedulers", "rng")}


def differences(a, b, where=""):
    """Places at which two nested states are not the same bytes."""
    if isinstance(a, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [where]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [where]
        return [d for key in a for d in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [where]
        return [d for i, pair in enumerate(zip(a, b, strict=True)) for d in differences(*pair, i)]
    return [] if a == b else [where]


class Killed(Exception):
    """Stands for the end of the process."""


class KillAfter(Hook):
    """Ends the run after so many steps, before anything else hears of the last one."""

    priority = "HIGHEST"

    def __init__(self, steps):
        self.steps = steps

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps -= 1
        if self.steps == 0:
            raise Killed


def break_off(settings, folder, hook=None):
    corpus = Corpus(settings.data)
    (split,) = corpus.folds()
    runner = build_runner(settings, corpus, split, folder, start=None)
    if hook is not None:
        runner.register_hook(hook)
    with pytest.raises(Killed):
        runner.train()


def test_same_seed_same_bytes_other_seed_others(tiny_config, tiny_run, tmp_path):
    torch.manual_seed(99)
    pretrain(settings_of(tiny_config), tmp_path / "again")
    assert differences(state_of(tiny_run), state_of(tmp_path / "again")) == []
    pretrain(settings_of(tiny_config, seed=1), tmp_path / "other")
    assert differences(state_of(tiny_run), state_of(tmp_path / "other"))


# 1: before any checkpoint; 4: in the second epoch; 6: at its last step.
@pytest.mark.parametrize("steps", [1, 4, 6])
def test_resume_equals_an_unbroken_run(tiny_config, tiny_run, tmp_path, steps):
    settings = settings_of(tiny_config)
    assert settings.encoder.dropout > 0
    break_off(settings, tmp_path, KillAfter(steps))
    assert not (tmp_path / FINAL_CHECKPOINT).exists()
    torch.manual_seed(steps)
    (final,) = pretrain(settings, tmp_path, resume=True).values()
    assert final == tmp_path / FINAL_CHECKPOINT
    assert differences(state_of(tiny_run), state_of(tmp_path)) == []
    for a, b in zip(load_encoder(final), load_encoder(tiny_run / final.name), strict=True):
        assert str(a) == str(b)


def test_resume_after_a_kill_inside_the_saving(tiny_config, tiny_run, tmp_path, monkeypatch):
    """The second checkpoint is half written: the first must still be there."""
    settings = settings_of(tiny_config)
    save, calls = Runner.save_checkpoint, []

    def half(self, out_dir, filename, *args, **kwargs):
        calls.append(filename)
        save(self, out_dir, filename, *args, **kwargs)
        if len(calls) == 2:
            whole = (tmp_path / filename).read_bytes()
            (tmp_path / filename).write_bytes(whole[: len(whole) // 2])
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "save_checkpoint", half)
        break_off(settings, tmp_path)
    assert calls == ["epoch_1.pth", "epoch_2.pth"]
    pretrain(settings, tmp_path, resume=True)
    assert differences(state_of(tiny_run), state_of(tmp_path)) == []


def test_resume_in_a_folder_that_has_moved(tiny_config, tiny_run, tmp_path):
    settings = settings_of(tiny_config)
    break_off(settings, tmp_path / "here", KillAfter(4))
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "there" / "last_checkpoint").write_text("")
    pretrain(settings, tmp_path / "there", resume=True)
    assert differences(state_of(tiny_run), state_of(tmp_path / "there")) == []
    assert scalars_of(tmp_path / "there")["probe/knn1_top1"][-1][0] == 6


def test_sigkill_and_resume(repo, tiny_config, tiny_run, tmp_path):
    config, folder = tmp_path / "config.py", tmp_path / "run"
    config.write_text("".join(f"{key} = {value!r}\n" for key, value in tiny_config.items()))
    command = [sys.executable, str(repo / "tools/train.py"), str(config), "--work-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        while not (folder / "last_checkpoint").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(
        [*command, "--resume"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(f"last_quarter: {folder / FINAL_CHECKPOINT}")
    assert differences(state_of(tiny_run), state_of(folder)) == []


def test_a_finished_run_is_left_as_it_is(tiny_config, tiny_run):
    before = (tiny_run / FINAL_CHECKPOINT).stat()
    pretrain(settings_of(tiny_config), tiny_run, resume=True)
    after = (tiny_run / FINAL_CHECKPOINT).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_finished_run_leaves_one_checkpoint(tiny_run):
    assert [p.name for p in tiny_run.rglob("*.pth")] == [FINAL_CHECKPOINT]
    pointer = tiny_run / "last_checkpoint"
    assert not pointer.exists() or (tiny_run / pointer.read_text()).exists()


def test_a_new_run_does_not_end_as_the_old_one(tiny_config, tiny_run, tmp_path):
    """Started anew with another seed, killed, resumed: the result is the new seed's."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    shutil.copy(folder / FINAL_CHECKPOINT, folder / "epoch_1.pth")
    settings = settings_of(tiny_config, seed=5)
    break_off_through_pretrain(settings, folder)
    (final,) = pretrain(settings, folder, resume=True).values()
    assert load_encoder(final)[1].seed == 5


def break_off_through_pretrain(settings, folder):
    with pytest.MonkeyPatch.context() as patch:

        def killed(self):
            raise Killed

        patch.setattr(Runner, "train", killed)
        with pytest.raises(Killed):
            pretrain(settings, folder)


def test_the_checkpoint_holds_teacher_student_and_queue(tiny_run):
    content = read_checkpoint(tiny_run / FINAL_CHECKPOINT)
    state = content["state_dict"]
    names = [k.removeprefix("objective.student.") for k in state if ".student." in k]
    assert names
    pairs = [(state[f"objective.{side}.{n}"] for side in ("teacher", "student")) for n in names]
    same = [torch.equal(slow, fast) for slow, fast in pairs]
    assert not all(same)
    # Six steps of 16 keys have gone once and more around a queue of at most 32 places.
    spans = state["objective.queue_spans"]
    assert 0 < len(spans) <= 32
    assert (spans >= 0).all()
    norms = state["objective.queue"].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert int(state["steps"]) == int(state["objective.step"]) == 6
    assert content["meta"]["epoch"] == 2
    assert content["meta"]["iter"] == 6


def test_tensorboard(tiny_run):
    found = scalars_of(tiny_run)
    names = ("clip", "part", "time", "masked", "mixed", "decorrelation")
    terms = [f"loss/{name}" for name in names]
    probe = ("knn1_top1", "knn5_top1", "knn1_balanced", "embedding_std", "effective_rank")
    for tag in ("loss/total", *terms, *(f"probe/{p}" for p in probe)):
        values = [value for _, value in found[tag]]
        assert values, tag
        assert all(map(math.isfinite, values)), tag
        if "knn" in tag:
            assert all(0 <= value <= 1 for value in values)
    # The untrained encoder and both epochs.
    assert [step for step, _ in found["probe/knn1_top1"]] == [0, 3, 6]
    for step, whole in enumerate(found["loss/total"]):
        assert whole[1] == pytest.approx(sum(found[term][step][1] for term in terms), rel=1e-5)


def test_learning_rate(tiny_config, tmp_path):
    """Up in a line, down in a cosine to about zero: read back from TensorBoard."""
    peak, epochs, steps = 1e-3, 8, 3
    schedule = {"epochs": epochs, "learning_rate": peak, "warmup": 0.5}
    pretrain(settings_of(tiny_config, schedule=schedule), tmp_path)
    rates = [value for _, value in scalars_of(tmp_path)["train/learning_rate"]]
    assert len(rates) == epochs
    warm, total = steps * epochs // 2, steps * epochs
    for epoch, rate in enumerate(rates, start=1):
        step = epoch * steps - 1
        if step < warm:
            share = 0.01 + 0.99 * step / (warm - 1)
        else:
            share = (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2
        assert rate == pytest.approx(peak * share, rel=1e-3), epoch
    assert rates[-1] < 0.02 * peak
    assert max(rates) == pytest.approx(peak)


def test_no_test_video_is_trained_on(tiny_config, tiny_run, tiny_store, tmp_path):
    """Other poses in every test video: not one bit of the result changes."""
    (split,) = Corpus(settings_of(tiny_config).data).folds()
    _, card = load_encoder(tiny_run / FINAL_CHECKPOINT)
    assert set(card.videos) <= set(split.train)
    assert not set(card.videos) & set(split.test)
    store = tmp_path / "store"
    shutil.copytree(tiny_store, store)
    poses = PoseStore(tiny_store)
    for video in split.test:
        (store / f"{video}.h5").unlink()
        pose = poses[video]
        turned = pose.replace(
            keypoints=pose.keypoints[::-1].copy() * 2, scores=pose.scores[::-1].copy()
        )
        write_pose_file(store, video, turned, poses.header(video).provenance)
    assert (store / f"{video}.h5").read_bytes() != (tiny_store / f"{video}.h5").read_bytes()
    pretrain(settings_of(tiny_config, data={"store": str(store)}), tmp_path / "run")
    assert differences(state_of(tiny_run), state_of(tmp_path / "run")) == []
    probes = [
        [
            pair
            for tag, pairs in scalars_of(folder).items()
            if tag.startswith("probe")
            for pair in pairs
        ]
        for folder in (tiny_run, tmp_path / "run")
    ]
    assert probes[0] == probes[1]


def test_tuning_trains_on_less(tiny_config):
    """Held out inside train: neither these people nor the test people are trained on."""
    outer = Corpus(settings_of(tiny_config).data).folds()[0]
    settings = settings_of(tiny_config, data={"tuning": True})
    inner = Corpus(settings.data).folds()[0]
    assert set(inner.test) < set(outer.train)
    assert set(inner.train) == set(outer.train) - set(inner.test)


def test_a_loss_that_is_no_number_stops_the_run(tiny_config, tmp_path):
    settings = settings_of(tiny_config, schedule={"learning_rate": 1e30})
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) at iteration \d; lower"):
        pretrain(settings, tmp_path)
    assert not list(tmp_path.rglob("*.pth"))


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"schedule": {"batch_size": 100_000}}, "schedule.batch_size"),
        ({"encoder": {"size": "gigantic"}}, "gigantic"),
        ({"encoder": {"patch": 5}}, "patch"),
        ({"objective": {"temperature": 0.0}}, "temperature"),
        ({"data": {"fold": "none"}}, "last_quarter"),
        ({"data": {"protocol": "none"}}, "ksl13_leave_one_session_out"),
        ({"data": {"skeleton": "dog_17"}}, "kinect_20"),
        ({"data": {"skeleton": "kinect_20"}}, "kinect_20"),
        ({"sampling": {"samples": 8}}, "sampling.samples"),
    ],
)
def test_unusable_settings(tiny_config, tmp_path, sections, expected):
    folder = tmp_path / "run"
    with pytest.raises(InputError, match=expected) as caught:
        pretrain(settings_of(tiny_config, **sections), folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_a_store_without_labels_is_pre_trained_and_watched(tiny_config, tmp_path, caplog):
    config = {**tiny_config, "data": {**tiny_config["data"], "protocol": "unlabelled"}}
    config["schedule"] = {**config["schedule"], "epochs": 1}
    settings = read_settings(PretrainSettings, config)
    (checkpoint,) = pretrain(settings, tmp_path).values()
    assert "no kNN probe" in caplog.text
    _, card = load_encoder(checkpoint)
    assert card.protocol == "unlabelled"
    assert len(card.videos) > 0
