"""From a release on disk to the table with published numbers, on SYNTHETIC files in its layout."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgpose.data.folds import Corpus
from mgpose.data.imigue_protocols import TEST_SUBJECTS, TRAIN_SUBJECTS, VALIDATION_VIDEOS
from mgpose.engine.options import parse_options
from mgpose.engine.settings import load_config, read_settings
from mgpose.evaluation.published import published_numbers
from mgpose.evaluation.results import read_results
from mgpose.evaluation.table import format_table
from mgpose.io import PoseStore, read_annotations
from mgpose.io.importers.ma52 import MICRO_ACTIONS
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import InputError
from mgpose.tasks.evaluate import EvaluateSettings, evaluate

sys.path.append(str(Path(__file__).parent))
from release_files import (
    FPS,
    MA52_ACTIONS,
    SMG_SUBJECTS,
    imigue_videos,
    ma52_clips,
    write_imigue_labels,
    write_ma52,
    write_miga,
    write_openpose_json,
    write_smg,
)

RECOGNITION = ("recognition_unsupervised", "recognition_semi_supervised", "recognition_supervised")
FINETUNE = ("finetune.epochs=1", "finetune.min_steps=2", "finetune.batch_size=16")
SMALL = {
    "recognition_unsupervised": ("probe_epochs=3", "neighbours=[1,5]", "map=False"),
    "recognition_semi_supervised": ("draws=1", "fractions=[0.3]", *FINETUNE),
    "recognition_supervised": FINETUNE,
    "retrieval": (),
    "emotion": (
        "draws=50",
        "probe_epochs=3",
        "seeds=1",
        "folds=2",
        "components=[4]",
        "penalties=[100.0]",
        "weight_decays=[1.0]",
        "attention.epochs=3",
        "attention.restarts=1",
    ),
}


@pytest.fixture(scope="module")
def tool(repo):
    """``tool(name, *arguments)`` runs a tool in this process and expects the exit code."""

    def run(name, *arguments, code=0):
        path = str(repo / "tools" / f"{name}.py")
        before, sys.argv = sys.argv, [path, *map(str, arguments)]
        try:
            with pytest.raises(SystemExit) as end:
                runpy.run_path(path, run_name="__main__")
        finally:
            sys.argv = before
        assert (end.value.code or 0) == code

    return run


@pytest.fixture(scope="module")
def pretrained(repo, tool, tmp_path_factory):
    """``pretrained(config, store)`` makes a tiny checkpoint by the set's own config."""

    def train(name, store):
        folder = tmp_path_factory.mktemp(name) / "run"
        options = (
            "encoder.size=tiny",
            "schedule.epochs=1",
            "schedule.batch_size=16",
            "schedule.threads=1",
            "sampling.samples=32",
            "monitor.stop_on_collapse=False",
        )
        config = repo / f"configs/pretrain/{name}.py"
        tool("train", config, "--work-dir", folder, "--cfg-options", *data_of(store), *options)
        return folder

    return train


def data_of(store):
    """Options that change what a generated set must change: its place, its length, its name."""
    return (f"data.store={store}", "data.clip.frames=16", "data.synthetic=True")


def shrunk(task):
    """Options that make one task's run short."""
    runner = task.removesuffix("_cvpr2021")
    return tuple(f"tasks.{runner}.{option}" for option in SMALL[runner])


def by_tool(repo, tool, capsys, task, release, store, run):
    """The result of one config by ``tools/evaluate.py``, and the text that the tool printed."""
    out = run.parent / f"{task}_{store.name}"
    capsys.readouterr()
    config = repo / f"configs/tasks/{task}_{release}.py"
    options = (*data_of(store), *shrunk(task), "threads=1")
    tool("evaluate", config, run, "--out", out, "--cfg-options", *options)
    (result,) = read_results(out / "results.json").values()
    check_published(result, out, release)
    return result, capsys.readouterr().out


def at_once(repo, tasks, release, store, run, *options):
    """Task -> result of several configs, read into one run: the store is opened once."""
    loaded = {}
    for task in tasks:
        given = parse_options((*data_of(store), *shrunk(task), "threads=1", *options))
        loaded[task] = load_config(repo / f"configs/tasks/{task}_{release}.py", given)
    (first, *others) = loaded.values()
    assert all(other["data"] == first["data"] for other in others)
    sections = {
        name: value for config in loaded.values() for name, value in config["tasks"].items()
    }
    out = run.parent / f"all_{store.name}_{len(options)}"
    settings = read_settings(EvaluateSettings, {**first, "tasks": sections})
    results = evaluate(settings, run, out)
    for result in results.values():
        check_published(result, out, release)
    return results


def check_published(result, out, release):
    """Ours and theirs stand in one table, and theirs take no part in anything that was measured."""
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "synthetic" in page.lower()
    assert "pretrained" in {row.kind for row in result.rows}
    rows = [row for row in result.rows if row.kind == "published"]
    expected = [
        number.row()
        for number in published_numbers(release)
        if number.task == result.task and result.protocol["name"] in number.protocols
    ]
    assert rows == expected
    for row in rows:
        assert row.origin["source"]
        assert row.name in page.replace("&amp;", "&")
        assert not row.spread
        assert not [name for name in row.metrics if name.endswith(("_low", "_high", "_median"))]
    content = json.loads((out / "results.json").read_text())["tasks"][result.task]
    assert [row["name"] for row in content["published"]] == [row.name for row in rows]
    measured = {row["name"] for row in (*content["metrics"], *content["baselines"])}
    assert not measured & {row.name for row in rows}
    # What was compared or tested names measured rows only.
    rest = {k: v for k, v in content.items() if k not in ("metrics", "baselines", "published")}
    assert not [row.name for row in rows if row.name in json.dumps(rest)]


def table_rows(printed):
    """The table of a result, or of what a tool printed, line by line below its heading."""
    lines = (printed if isinstance(printed, str) else format_table(printed)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("method"))
    return lines[start + 2 :]


# SMG


@pytest.fixture(scope="module")
def smg(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("smg")
    tool("import_pose", write_smg(folder / "release"), "--format", "smg", "--out", folder / "smg")
    return folder / "smg"


@pytest.fixture(scope="module")
def smg_run(pretrained, smg):
    return pretrained("contrastive_small_smg", smg)


def test_smg_is_split_by_the_official_people(repo, smg):
    corpus = corpus_of(repo, "retrieval_smg", smg)
    (split,) = corpus.folds()
    subject = corpus.subjects()
    assert {int(subject[v]) for v in split.train} == {s for s in SMG_SUBJECTS if s <= 35}
    assert {int(subject[v]) for v in split.test} == {s for s in SMG_SUBJECTS if s >= 36}
    tuning = Corpus(replace(corpus.settings, tuning=True))
    assert not set(tuning.folds()[0].test) & set(split.test)


@pytest.mark.parametrize("task", [*RECOGNITION, "retrieval"])
def test_smg_table(repo, tool, capsys, smg, smg_run, task):
    result, text = by_tool(repo, tool, capsys, task, "smg", smg, smg_run)
    assert result.data["name"] == "SMG"
    assert result.data["test_clips"] == 7 * sum(s >= 36 for s in SMG_SUBJECTS)
    if task == "recognition_supervised":
        rows = table_rows(text)
        theirs = next(i for i, line in enumerate(rows) if line.startswith("-- published"))
        assert any(line.startswith("pre-trained, fine-tuned") for line in rows[:theirs])
        (best,) = (line for line in rows[theirs:] if line.startswith("MS-G3D"))
        assert "64.8" in best  # 64.75, with one decimal
        assert "*" not in best
        assert "SYNTHETIC" in rows[theirs]


# MA-52


@pytest.fixture(scope="module")
def ma52(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ma52")
    release = write_ma52(folder / "release")
    tool("import_pose", release / "poses.pkl", "--format", "ma52", "--out", folder / "ma52",
         "--labels", release, "--fps", FPS)  # fmt: skip
    return folder / "ma52"


def test_ma52_place_holders_of_the_test_list_are_no_labels(repo, ma52):
    assert len(PoseStore(ma52)) == sum(map(len, ma52_clips().values()))
    annotated = {a.video for a in read_annotations(ma52 / "annotations.csv")}
    assert not [video for video in annotated if "test" in video]
    corpus = corpus_of(repo, "retrieval_ma52", ma52)
    (split,) = corpus.folds()
    clips = ma52_clips()
    assert split.train == tuple(f"ma52_{name}" for name, _ in clips["train"])
    assert split.test == tuple(f"ma52_{name}" for name, _ in clips["val"])
    assert "subject" in split.exceptions


def test_ma52_table(repo, ma52, pretrained):
    run = pretrained("contrastive_small_ma52", ma52)
    results = at_once(repo, (*RECOGNITION, "retrieval"), "ma52", ma52, run)
    for task, result in results.items():
        assert result.data["test_clips"] == len(ma52_clips()["val"])
        if task in RECOGNITION:
            assert "f1_mean" in result.headline
            ours = [row for row in result.rows if row.kind != "published"]
            found = [row.metrics["f1_mean"] for row in ours if "k-means" not in row.name]
            assert found
            assert all(0 <= value <= 1 for value in found)


def test_ma52_with_its_test_labels(repo, tool, pretrained, tmp_path):
    release = write_ma52(tmp_path / "release", test_labels=True)
    store = tmp_path / "ma52"
    tool("import_pose", release / "poses.pkl", "--format", "ma52", "--out", store,
         "--labels", release, "--fps", FPS)  # fmt: skip
    run = pretrained("contrastive_small_ma52", store)
    (result,) = at_once(repo, ("recognition_supervised",), "ma52", store, run,
                        "data.protocol=ma52_test").values()  # fmt: skip
    (split,) = corpus_of(repo, "retrieval_ma52", store, "ma52_test").folds()
    assert {v.split("_")[1][:4] for v in split.test} == {"test"}
    assert len(split.val) == len(ma52_clips()["val"])
    assert result.data["test_clips"] == 7
    (theirs,) = (row for row in result.rows if row.kind == "published")
    assert theirs.metrics["f1_mean"] == pytest.approx(0.6559)
    lines = table_rows(result)
    assert any(line.startswith("MANet (RGB)") and "65.6" in line for line in lines)


def test_ma52_lists_label_a_store_extracted_from_its_videos(repo, tool, ma52, tmp_path):
    """The same annotations by both ways: poses in a pickle, and videos whose ids are hashes."""
    release, store = write_ma52(tmp_path / "lists"), tmp_path / "extracted"
    store.mkdir()
    poses = PoseStore(ma52)
    sources = []
    for number, video in enumerate(poses):
        write_pose_file(store, f"{number:08x}", poses[video], Provenance("test", "1"))
        sources.append(f"{number:08x},train/{video.removeprefix('ma52_')}.mp4")
    (store / "sources.csv").write_text("\n".join(["id,path", *sources]) + "\n")
    tool("import_pose", release, "--format", "ma52-labels", "--out", store)
    hashed = {f"{number:08x}": video for number, video in enumerate(poses)}
    found = [replace(a, video=hashed[a.video]) for a in read_annotations(store / "annotations.csv")]
    expected = read_annotations(ma52 / "annotations.csv")
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {a.label for a in found if a.tier == "gesture"} == {
        MICRO_ACTIONS[k] for k in MA52_ACTIONS
    }
    (store / "sources.csv").unlink()
    tool("import_pose", release, "--format", "ma52-labels", "--out", store, code=2)


# iMiGUE, by OpenPose's files and by the MiGA release


@pytest.fixture(scope="module")
def imigue(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("imigue")
    labels = write_imigue_labels(folder / "labels.csv")
    source = write_openpose_json(folder / "release")
    tool("import_pose", source, "--format", "openpose-json", "--out", folder / "imigue",
         "--labels", labels, "--fps", FPS)  # fmt: skip
    return folder / "imigue"


@pytest.fixture(scope="module")
def imigue_run(pretrained, imigue):
    return pretrained("contrastive_small_imigue", imigue)


def test_the_miga_release_gives_the_same_store(tool, imigue, tmp_path):
    pytest.importorskip("openpyxl")
    chosen = (8, 12, 26, 49)
    labels = write_imigue_labels(tmp_path / "labels.csv")
    source, store = write_miga(tmp_path / "release", chosen), tmp_path / "miga"
    tool("import_pose", source, "--format", "miga", "--out", store, "--labels", labels,
         "--fps", FPS)  # fmt: skip
    ours, theirs = PoseStore(store), PoseStore(imigue)
    assert list(ours) == [f"{video:04d}" for video in chosen]
    for video in ours:
        np.testing.assert_array_equal(ours[video].keypoints, theirs[video].keypoints)
        np.testing.assert_array_equal(ours[video].scores, theirs[video].scores)
        np.testing.assert_array_equal(ours[video].time, theirs[video].time)
        assert ours[video].subject == theirs[video].subject
    first, second = (read_annotations(s / "annotations.csv") for s in (store, imigue))
    assert first == [a for a in second if a.video in ours]


def test_imigue_is_split_by_the_official_people(repo, imigue):
    """Each part by the made-up pairs; no annotation of the store is lost on the way."""
    assert len(PoseStore(imigue)) == len(imigue_videos()) == 206
    corpus = corpus_of(repo, "retrieval_imigue", imigue)
    (split,) = corpus.folds()
    people = {f"{video:04d}": subject for video, subject, _ in imigue_videos()}
    assert {people[v] for v in split.test} == set(TEST_SUBJECTS)
    assert {people[v] for v in split.train} <= set(TRAIN_SUBJECTS)
    assert {int(v) for v in split.val} == set(VALIDATION_VIDEOS)
    assert {*split.train, *split.val, *split.test} == set(people)


def test_imigue_with_its_validation_videos(repo, imigue):
    protocol = "imigue_cross_subject_with_validation"
    (split,) = corpus_of(repo, "retrieval_imigue", imigue, protocol).folds()
    assert {int(video) for video in split.train} >= set(VALIDATION_VIDEOS)
    theirs = {n.method for n in published_numbers("imigue") if protocol in n.protocols}
    assert {"MS-G3D", "TSM", "P&C"} <= theirs


def test_imigue_tables(repo, imigue, imigue_run):
    results = at_once(repo, (*RECOGNITION, "retrieval"), "imigue", imigue, imigue_run)
    videos = sum(subject in TEST_SUBJECTS for _, subject, _ in imigue_videos())
    assert {result.data["test_clips"] for result in results.values()} == {2 * videos}
    lines = table_rows(results["recognition_supervised"])
    theirs = next(i for i, line in enumerate(lines) if line.startswith("-- published"))
    assert any(line.startswith("pre-trained, fine-tuned") for line in lines[:theirs])
    assert any(line.startswith("MS-G3D (pose)") and "54.9" in line for line in lines[theirs:])
    assert any("70.2" in line for line in lines[theirs:])  # 70.19, the best of pose alone


@pytest.mark.slow
def test_imigue_emotion(repo, imigue, imigue_run):
    (result,) = at_once(repo, ("emotion",), "imigue", imigue, imigue_run).values()
    videos = sum(subject in TEST_SUBJECTS for _, subject, _ in imigue_videos())
    assert result.data["test_clips"] == videos
    assert any(line.startswith("best of 2026 (multimodal)") for line in table_rows(result))


@pytest.mark.slow
def test_imigue_emotion_of_2021(repo, pretrained, imigue):
    run = pretrained("contrastive_small_imigue_cvpr2021", imigue)
    (result,) = at_once(repo, ("emotion_cvpr2021",), "imigue", imigue, run).values()
    assert (result.data["train_clips"], result.data["test_clips"]) == (102, 100)
    assert {"subject", "near_duplicate"} <= result.protocol["exceptions"].keys()
    lines = table_rows(result)
    assert any(line.startswith("ST-GCN (pose)") and "50.0" in line for line in lines)


# What holds for all


def corpus_of(repo, config, store, protocol=""):
    """The data of a task's config, on a generated store."""
    options = parse_options((*data_of(store), *([f"data.protocol={protocol}"] * bool(protocol))))
    path = repo / f"configs/tasks/{config}.py"
    return Corpus(read_settings(EvaluateSettings, load_config(path, options)).data)


def test_an_unknown_set_of_published_numbers_is_one_line():
    with pytest.raises(InputError, match="imigue, smg, ma52"):
        published_numbers("imigui")
