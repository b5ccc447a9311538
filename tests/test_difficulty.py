"""Difficulty: every row on a store whose answers are planted; nothing is learnt from the test part.

Six classes differ by where the right hand is, so poses tell them; proportions differ by person; how
people move does not. Positive emotion goes with a positive state, but for one video.
"""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
import torch

from mgpose.data.folds import Corpus
from mgpose.data.generating_parameters import PARAMETERS_NAME, STATES_NAME
from mgpose.engine.settings import read_settings
from mgpose.evaluation.metrics import classification_metrics
from mgpose.evaluation.oracle import oracle_scores
from mgpose.evaluation.results import ResultRow, read_results
from mgpose.evaluation.table import format_table
from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT
from mgpose.structures import Annotation, InputError, PoseSequence
from mgpose.tasks import difficulty
from mgpose.tasks.difficulty import PREDICTORS, DifficultySettings, measure_difficulty
from mgpose.tasks.task_data import TaskData

PEOPLE, VIDEOS, GESTURES, LENGTH = 8, 4, 6, 20
PLACES = np.array([(0.8, 0.0), (0.8, 1.5), (-0.8, 0.0), (-0.8, 1.5), (0.0, -1.0), (0.3, 2.5)])
WRONG = "p8_v4"  # its state has the other sign


def poses(person, rng):
    """(T, V, 2) pixels of one video: six gestures of different places, one after the other."""
    body = np.random.default_rng(0).normal(size=(len(LAYOUT), 2))
    body += 0.3 * np.random.default_rng(100 + person).normal(size=body.shape)
    left, right, neck = (LAYOUT.index(n) for n in ("left_shoulder", "right_shoulder", "neck"))
    body[[left, right, neck]] = (0.5, 0), (-0.5, 0), (0, 0)
    points = np.repeat(body[None], GESTURES * LENGTH, 0)
    hand = LAYOUT.indices(LAYOUT.parts["right_hand"])
    points[:, hand] += np.repeat(PLACES, LENGTH, 0)[:, None]
    return 100 * (points + 0.02 * rng.normal(size=points.shape)) + 500


def plant(store):
    rng = np.random.default_rng(1)
    annotations, parameters, states = [], [], []
    for person in range(1, PEOPLE + 1):
        for number in range(1, VIDEOS + 1):
            video, subject = f"p{person}_v{number}", f"p{person}"
            points = poses(person, rng).astype(np.float32)
            scores = np.full(points.shape[:2], 0.9, np.float32)
            lost = rng.random(len(points)) < 0.1
            lost_hand = np.ix_(lost, LAYOUT.indices(LAYOUT.parts["left_hand"]))
            points[lost_hand], scores[lost_hand] = np.nan, 0
            time = np.arange(len(points)) / 25
            sequence = PoseSequence(LAYOUT, points, scores, time, "pixel", "rate", (1280, 720))
            write_pose_file(store, video, sequence, Provenance("planted", "1"))
            emotion = "positive" if number % 2 else "negative"
            for label in range(GESTURES):
                span = (label * LENGTH / 25, (label + 1) * LENGTH / 25, f"class {label}")
                annotations.append(Annotation(video, subject, *span))
                parameters.append((video, *span, label + 0.3 * rng.random(), ""))
            whole = Annotation(video, subject, 0, len(points) / 25, emotion, tier="emotion")
            annotations.append(whole)
            state = (1 if number % 2 else -1) * rng.uniform(0.1, 2)
            states.append((video, subject, emotion, -state if video == WRONG else state))
    write_annotations(store / ANNOTATIONS_NAME, annotations)
    write_table(store / PARAMETERS_NAME, ("video", "start", "stop", "label", "x", "y"), parameters)
    write_table(store / STATES_NAME, ("video", "subject", "emotion", "state"), states)


def write_table(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    store = tmp_path_factory.mktemp("planted") / "store"
    store.mkdir()
    plant(store)
    return store


def settings_of(store, **changes):
    clip = {"frames": 16, "max_crops": 1}
    data = {"name": "planted", "store": str(store), "protocol": "synthetic", "clip": clip}
    values = {
        "data": {**data, "synthetic": True},
        "encoder": {"size": "tiny", "patch": 8},
        "finetune": {"epochs": 1, "min_steps": 2, "batch_size": 16},
        "probe_epochs": 5,
        "emotion": {"probe_epochs": 5, "draws": 50, "attention": {"epochs": 3, "restarts": 2}},
        "identity": {"draws": 50},
        "threads": 1,
    }
    return read_settings(DifficultySettings, {**values, **changes})


@pytest.fixture(scope="module")
def measured(planted, tmp_path_factory):
    """Results and the folder that they were written to."""
    out = tmp_path_factory.mktemp("measured") / "out"
    return measure_difficulty(settings_of(planted), out), out


def rows_of(result):
    return {row.name: row for row in result.rows}


def test_every_predictor_is_a_row(measured):
    result = measured[0]["recognition"]
    rows = rows_of(result)
    assert rows.keys() == {predictor.name for predictor in PREDICTORS.values()}
    for predictor in PREDICTORS.values():
        row = rows[predictor.name]
        assert row.kind == predictor.kind
        assert row.metrics["seconds"] >= 0
        for name in ("top1", "top5", "balanced_accuracy", "macro_f1"):
            assert 0 <= row.metrics[name] <= 1
    assert (result.data["train_clips"], result.data["test_clips"]) == (144, 48)
    assert result.protocol["settings"]["finetune"]["min_steps"] == 2


def test_planted_places_are_found_and_frequencies_tell_nothing(measured):
    rows = rows_of(measured[0]["recognition"])
    for name in ("mean_pose", "dtw", "pca_svm", "pca_svm_bridged", "oracle"):
        assert rows[PREDICTORS[name].name].metrics["top1"] == 1, name
    chance = rows["majority class"].metrics
    assert chance["top1"] == chance["balanced_accuracy"] == pytest.approx(1 / 6)


def test_the_best_guess_of_the_emotion_is_the_sign_of_the_state(measured):
    result = measured[0]["emotion"]
    best = rows_of(result)["sign of the hidden state"]
    assert best.kind == "oracle"
    assert best.metrics["accuracy"] == 7 / 8
    assert best.metrics["balanced_accuracy"] == 7 / 8
    assert best.metrics["accuracy_low"] <= 7 / 8 <= best.metrics["accuracy_high"]
    assert "right in 96.9 % of all 32 videos" in result.notes[-1]
    kinds = {row.name: row.kind for row in result.rows if row is not best}
    assert kinds == {
        "histogram of annotated gestures": "oracle",
        "untrained, attention pooling": "untrained",
        "untrained, mean pooling": "untrained",
        "untrained, histogram of predicted gestures": "untrained",
        "PCA + SVM": "classical",
        "majority class": "trivial",
    }


def test_planted_proportions_tell_who_it_is(measured):
    result = measured[0]["identity"]
    rows = rows_of(result)
    assert rows["proportions alone, 1-NN"].metrics["accuracy"] == 1
    assert rows["chance"].metrics["accuracy"] == 1 / 2
    assert (result.data["train_clips"], result.data["test_clips"]) == (4, 4)
    assert result.data["classes"] == ["person 1", "person 2"]


def test_what_is_written(measured):
    results, out = measured
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "results.json"]
    assert read_results(out / "results.json") == results
    page = (out / "report.html").read_text()
    assert "Difficulty of planted" in page
    assert "Seconds" in page
    for result in results.values():
        for row in result.rows:
            assert row.name in page


def test_a_real_store_has_no_oracle(planted, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(planted, store)
    for name in (PARAMETERS_NAME, STATES_NAME):
        (store / name).unlink()
    settings = settings_of(store, predictors=["majority", "oracle"], identity=None)
    results = measure_difficulty(settings, tmp_path / "out")
    assert list(results) == ["recognition", "emotion"]
    assert list(rows_of(results["recognition"])) == ["majority class"]
    assert "sign of the hidden state" not in rows_of(results["emotion"])


def data_of(settings):
    corpus = Corpus(settings.data)
    return TaskData.of(corpus, corpus.folds()[0])


@pytest.mark.parametrize("name", PREDICTORS)
def test_nothing_is_learnt_from_the_test_part(planted, name):
    """The scores of a clip depend neither on the other test clips nor on their labels."""
    from mgpose.models import build_encoder

    settings = settings_of(planted)
    data = data_of(settings)
    torch.manual_seed(0)
    encoder = build_encoder(LAYOUT, "tiny", 16, 8).eval()
    whole = PREDICTORS[name].scores(data, encoder, settings)
    few = [40, 3, 17]
    part = dataclasses.replace(
        data, test=data.test.subset(few), test_whole=data.test_whole.subset(few)
    )
    if name != "oracle":  # which looks rows up by label, of test clips too, and reads no label
        part.test.labels[:] = part.test_whole.labels[:] = 0
    found = PREDICTORS[name].scores(part, encoder, settings)
    assert found == pytest.approx(whole[few], abs=1e-4)


def test_the_oracle_knows_what_the_parameters_know():
    rng = np.random.default_rng(0)
    labels = rng.integers(8, size=900)
    places = rng.normal(size=(8, 5)) * 4
    drawn = places[labels] + rng.normal(size=(900, 5))
    drawn[labels == 3, 2] = np.nan
    drawn[labels != 3, 4] = np.nan
    train, test = slice(0, 600), slice(600, None)
    scores = oracle_scores(drawn[train], labels[train], drawn[test], 10)
    assert classification_metrics(scores, labels[test])["top1"] > 0.97
    assert (scores[:, 8:] < scores[:, :8].min()).all()
    shuffled = rng.permutation(drawn[train])
    scores = oracle_scores(shuffled, labels[train], drawn[test], 10)
    assert classification_metrics(scores, labels[test])["top1"] < 0.3


def test_what_does_not_apply_is_information():
    labels = np.arange(40) % 2
    drawn = np.where(labels, np.nan, np.random.default_rng(0).normal(size=40))[:, None]
    scores = oracle_scores(drawn[:20], labels[:20], drawn[20:], 2)
    assert (scores.argmax(1) == labels[20:]).all()
    with pytest.raises(ValueError, match="expected"):
        oracle_scores(drawn[:20], labels[:20], np.zeros((3, 2)), 2)


def test_files_that_do_not_fit_the_annotations(planted, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(planted, store)
    annotations = read_annotations(store / ANNOTATIONS_NAME)
    first = next(i for i, a in enumerate(annotations) if a.tier == "gesture")
    annotations[first] = dataclasses.replace(annotations[first], stop=0.7)
    write_annotations(store / ANNOTATIONS_NAME, annotations)
    oracle = settings_of(store, predictors=["oracle"], emotion=None, identity=None)
    with pytest.raises(InputError, match=rf"{PARAMETERS_NAME}: expected a row .* none for 1"):
        measure_difficulty(oracle, tmp_path / "out")
    states = (store / STATES_NAME).read_text().replace("positive", "negative", 1)
    (store / STATES_NAME).write_text(states)
    with pytest.raises(InputError, match=rf"{STATES_NAME}: expected 'positive' for 'p1_v1'"):
        measure_difficulty(settings_of(store, predictors=[], identity=None), tmp_path / "out")


def test_identity_needs_two_people_with_two_videos(planted, tmp_path, monkeypatch):
    store = tmp_path / "store"
    shutil.copytree(planted, store)
    kept = [a for a in read_annotations(store / ANNOTATIONS_NAME) if a.subject != "p7"]
    write_annotations(store / ANNOTATIONS_NAME, kept)
    monkeypatch.setattr(difficulty, "_recognition", lambda *_: pytest.fail("it costs minutes"))
    with pytest.raises(InputError, match=r"two people with two videos each .* found 1"):
        measure_difficulty(settings_of(store), tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictors": ["majority", "svm"]}, r"unknown predictors \['svm'\]; known: majority"),
        ({"predictors": [], "emotion": None, "identity": None}, "to measure, got none"),
        ({"predictor": []}, "did you mean 'predictors'"),
    ],
)
def test_wrong_settings(planted, changes, message):
    with pytest.raises(InputError, match=message):
        settings_of(planted, **changes)


def test_an_encoder_that_cannot_be(planted, tmp_path):
    for encoder, message in (({"size": "huge"}, "unknown size"), ({"patch": 7}, "must divide")):
        with pytest.raises(InputError, match=f"config.encoder: .*{message}"):
            measure_difficulty(settings_of(planted, encoder=encoder), tmp_path / "out")


def test_seconds_are_no_percentage_and_an_oracle_wins_no_column(measured):
    result = measured[0]["recognition"]
    rows = (
        ResultRow("knows", "oracle", {"top1": 1.0, "seconds": 2.04}),
        ResultRow("learns", "classical", {"top1": 0.6, "seconds": 61.0}),
        ResultRow("guesses", "trivial", {"top1": 0.3, "seconds": 0.0}),
    )
    text = format_table(dataclasses.replace(result, rows=rows, headline=("top1", "seconds")))
    cells = [line.split() for line in text.splitlines() if line.startswith(("kno", "lea", "gue"))]
    assert [line[2:4] for line in cells] == [["100.0", "2.0"], ["60.0*", "61.0"], ["30.0", "0.0"]]


def test_classes_that_nobody_could_learn_are_named(planted, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(planted, store)
    annotations = read_annotations(store / ANNOTATIONS_NAME)
    kept = [a for a in annotations if a.label != "class 2" or a.subject in ("p7", "p8")]
    write_annotations(store / ANNOTATIONS_NAME, kept)
    settings = settings_of(store, predictors=["oracle"], emotion=None, identity=None)
    result = measure_difficulty(settings, tmp_path / "out")["recognition"]
    assert "No row can know class 2" in result.notes[-1]
    assert "ends at 83.3" in result.notes[-1]
    (oracle,) = result.rows
    assert oracle.metrics["balanced_accuracy"] == pytest.approx(5 / 6)
