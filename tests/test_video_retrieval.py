"""Moments alike in the videos of a store, without labels."""

import csv
import itertools
import math

import pytest

from mgpose.data.folds import Corpus
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.tasks.video_retrieval import retrieve_moments


@pytest.fixture(scope="module")
def corpus(tiny_config):
    return Corpus(read_settings(PretrainSettings, tiny_config).data)


def read_moments(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_moments(corpus, encoder, tmp_path):
    (split,) = corpus.folds()
    out = tmp_path / "moments.csv"
    windows = retrieve_moments(corpus, encoder, split.test[:2], out, matches=3)
    rows = read_moments(out)
    assert windows == len({(row["video"], row["start"]) for row in rows})
    assert len(rows) == 3 * windows
    for row in rows:
        assert {row["video"], row["match"]} <= set(split.test[:2])
        start, stop = float(row["start"]), float(row["stop"])
        match_start, match_stop = float(row["match_start"]), float(row["match_stop"])
        assert start < stop
        assert match_start < match_stop
        overlap = row["video"] == row["match"] and start < match_stop and match_start < stop
        assert not overlap
        assert -1 <= float(row["cosine"]) <= 1
        assert not math.isnan(float(row["cosine"]))
    for a, b in itertools.pairwise(rows):
        if int(b["rank"]) > 1:
            assert float(a["cosine"]) >= float(b["cosine"])


def test_moments_without_a_window(corpus, encoder, tmp_path):
    """No video, or none with a usable window: a table without rows, not a traceback."""
    out = tmp_path / "moments.csv"
    assert retrieve_moments(corpus, encoder, (), out) == 0
    assert read_moments(out) == []
