import csv
import io
import logging
from pathlib import Path

import pytest

from mgpose.data.clips import ClipSettings
from mgpose.data.folds import Corpus, DataSettings
from mgpose.data.quality_include import read_include, write_include
from mgpose.data.quality_verdict import Finding, VideoVerdict
from mgpose.io import PoseStore
from mgpose.structures import InputError

VERDICTS = [
    VideoVerdict("good", (), None),
    VideoVerdict("odd", (Finding("rate", "look", 'only 6 "frames", a second'),), None),
    VideoVerdict("bad", (Finding("rate", "unusable", "only 3 frames a second"),), None),
]
IDS = ("bad", "good", "new", "odd")


def read(path):
    return read_include(path, IDS, Path("store"))


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list"])
@pytest.mark.parametrize("strict", [False, True])
def test_round_trip(tmp_path, name, strict):
    write_include(tmp_path / name, VERDICTS, strict)
    included = read(tmp_path / name)
    assert included.videos == (("good",) if strict else ("good", "odd"))
    assert {*included.videos, *included.excluded} == set(IDS)
    assert included.excluded["new"] == "not in the list"
    reason = "only 3 frames a second" if name.endswith(".csv") else "not in the list"
    assert included.excluded["bad"] == reason


def test_the_table_may_be_edited_by_hand(tmp_path):
    path = tmp_path / "list.csv"
    write_include(path, VERDICTS)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["include"] for row in rows] == ["yes", "yes", "no"]
    text = path.read_text().replace("good,yes", "good,no").replace("bad,no", "bad,yes")
    path.write_text("\ufeff" + text.replace("\n", "\r\n"))  # as a spreadsheet saves it
    included = read(path)
    assert included.videos == ("bad", "odd")
    assert included.excluded["good"] == "by hand"


@pytest.mark.parametrize("style", [{"delimiter": ";"}, {"quoting": csv.QUOTE_ALL}])
def test_the_table_as_other_programs_save_it(tmp_path, style):
    path = tmp_path / "list.csv"
    write_include(path, VERDICTS)
    before, rows = read(path), list(csv.reader(io.StringIO(path.read_text())))
    with path.open("w", newline="") as file:
        csv.writer(file, **style).writerows(rows)
    assert read(path) == before


def test_a_video_may_be_called_video(tmp_path):
    (tmp_path / "list").write_text("video\n")
    assert read_include(tmp_path / "list", ["video"], tmp_path).videos == ("video",)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "expected an include list .*No such file"),
        ("good\nstranger\n", r"names video 'stranger' \(1 such\), not in the store store"),
        ("good\ngood\n", "video 'good' twice"),
        ("\n", "expected at least one video to include, found none"),
        ("video,include\ngood,yes\n", "the columns"),
        ("video,include,verdict,reasons\ngood,maybe,use,\n", "line 2: .* yes or no"),
        ("video,include,verdict,reasons\ngood,no,use,x\n", "expected at least one video"),
        ("video,include,verdict,reasons\ngood,yes\n", "line 2: expected 4 fields"),
    ],
)
def test_a_wrong_list_is_named(tmp_path, text, match):
    path = tmp_path / "list"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=match):
        read(path)


def test_a_corpus_reads_only_what_is_included(tiny_store, tmp_path, caplog):
    store = PoseStore(tiny_store)
    out = list(store)[:3]
    path = tmp_path / "include.txt"
    path.write_text("".join(f"{video}\n" for video in store if video not in out))
    settings = {"clip": ClipSettings(frames=16, rate=5.0), "include": str(path)}
    for protocol in ("synthetic", "unlabelled"):
        everything = Corpus(DataSettings("tiny", str(tiny_store), protocol))
        with caplog.at_level(logging.WARNING):
            corpus = Corpus(DataSettings("tiny", str(tiny_store), protocol, **settings))
        assert f"tiny: 3 of {len(store)} videos left out by {path}" in caplog.text
        assert list(corpus.excluded) == out
        assert everything.excluded == {}
        (split,), (whole,) = corpus.folds(), everything.folds()
        used = {*split.train, *split.test}
        assert used == {*whole.train, *whole.test} - set(out)
        assert {span.video for span in corpus.unlabelled(store).spans} == used
        assert not set(out) & set(corpus.unannotated())
    assert not set(out) & set(corpus.subjects())


def test_a_list_of_another_store_is_refused(tiny_store, tmp_path):
    path = tmp_path / "include.txt"
    path.write_text("p99\n")
    with pytest.raises(InputError, match="p99"):
        Corpus(DataSettings("tiny", str(tiny_store), "synthetic", include=str(path)))
