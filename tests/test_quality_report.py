import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from mgpose.data.quality_thresholds import QualityThresholds
from mgpose.data.quality_verdict import judge_store
from mgpose.evaluation.quality_report import render_quality_report, write_quality_report
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.structures import KINECT_20, FrameFlag, PoseSequence, Skeleton

DEFAULTS = QualityThresholds()
VOID = {"meta", "path", "rect", "br"}


class Page(HTMLParser):
    """Tags, the text of the cells of the main table, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.rows = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def cloud(skeleton, frames=40, dims=2, unit="pixel", **kwargs):
    rng = np.random.default_rng(0)
    keypoints = rng.normal(200, 30, (frames, len(skeleton), dims)).astype(np.float32)
    scores = np.ones(keypoints.shape[:2], np.float32)
    return PoseSequence(skeleton, keypoints, scores, np.arange(frames) * 1.0, unit, "index",
                        **kwargs)  # fmt: skip


@pytest.fixture(scope="module")
def store(repo, tmp_path_factory):
    """Real videos, a damaged file, nobody, other layouts, and all the flags there are."""
    folder = tmp_path_factory.mktemp("private") / "store"
    shutil.copytree(repo / "data/sample", folder)
    real = PoseStore(folder)["sign_again"]
    (folder / "torn.h5").write_bytes((folder / "sign_book.h5").read_bytes()[:20_000])
    nothing = np.full_like(real.keypoints, np.nan)
    nobody = real.replace(keypoints=nothing, scores=np.zeros_like(real.scores))
    ledger = np.full(len(real), sum(FrameFlag) - FrameFlag.FAILED - FrameFlag.IMPORTED, np.uint16)
    plain = Skeleton("plain", ("a<b", "c&d"))
    for video, sequence in {
        "nobody": nobody.replace(ledger=ledger),
        "lost": nobody.replace(ledger=np.full(len(real), FrameFlag.FAILED, np.uint16)),
        "kinect": cloud(KINECT_20, dims=3, unit="metre"),
        "plain": cloud(plain),
        "still": real.replace(
            keypoints=real.keypoints[:1]
            + np.linspace(0, 0.1, len(real), dtype=np.float32)[:, None, None],
            scores=np.where(np.isnan(real.keypoints[:1, :, 0]), np.float32(0), real.scores),
        ),
        "one_frame": real.window(5, 6),
        "index_one": cloud(plain, 1),
    }.items():
        write_pose_file(folder, video, sequence, Provenance("test", "1"))
    return folder


@pytest.fixture(scope="module")
def verdicts(store):
    return judge_store(PoseStore(store), DEFAULTS)


@pytest.fixture(scope="module")
def page(verdicts):
    return render_quality_report(verdicts, DEFAULTS)


def test_nothing_is_loaded_and_every_tag_is_closed(page):
    parsed = Page(page)
    assert parsed.open == []
    assert {"link", "iframe", "object", "img", "image"}.isdisjoint(tag for tag, _ in parsed.tags)
    scripts = [attributes for tag, attributes in parsed.tags if tag == "script"]
    assert scripts == [{}]
    for _, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"<\s", page.partition("<script>")[0])
    page, _, script = page.partition("<script>")
    for word in ("http", "fetch", "XMLHttpRequest", "import", "src"):
        assert word not in script
    for word in ("@import", "url(", "http", "NaN", "nan", ">None<"):
        assert word not in page


def test_no_path_is_in_the_page(page, store):
    assert str(store.parent) not in page
    assert store.parent.name not in page
    assert ".h5" not in page


def test_the_worst_stand_first_and_every_video_stands_once(page, verdicts):
    rows = [row for row in Page(page).rows if len(row) > 8 and row[0] != "Video"]
    assert sorted(row[0] for row in rows) == sorted(v.video for v in verdicts)
    order = ["unusable", "look at it", "usable"]
    places = [order.index(row[1][2:]) for row in rows]
    assert places == sorted(places)
    assert places[0] == 0
    by_video = {row[0]: row for row in rows}
    assert "damaged" in by_video["torn"][2]
    assert "100 % of the body is missing" in by_video["nobody"][2]


def test_totals_are_those_of_the_verdicts(page, verdicts):
    levels = [v.level for v in verdicts]
    for level in ("use", "look", "unusable"):
        assert f'<div class="{level}"><b>{levels.count(level)}</b>' in page


def test_links_lead_to_cards(page):
    tags = Page(page).tags
    cards = {attributes["id"] for tag, attributes in tags if tag == "details"}
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert links == cards


def test_cards_are_bounded_and_the_page_stays_small(verdicts):
    many = [replace(v, video=f"{v.video}_{i}") for i in range(110) for v in verdicts]
    assert len(many) > 2000
    text = render_quality_report(many, DEFAULTS, cards=20)
    assert 20 <= text.count("<details") <= 25
    assert "The 20 worst of" in text
    assert len(text) < 3_000_000
    assert render_quality_report(many, DEFAULTS, cards=0).count("<details") <= 5


def test_a_store_without_a_fault(verdicts):
    text = render_quality_report([v for v in verdicts if not v.findings], DEFAULTS)
    assert "No video exceeds any limit." in text
    assert Page(text).open == []


def test_drawings_show_gaps_where_they_are(verdicts, repo, tmp_path):
    real = PoseStore(repo / "data/sample")["sign_again"]
    keypoints, scores = real.keypoints.copy(), real.scores.copy()
    half = len(real) // 2
    keypoints[half:], scores[half:] = np.nan, 0
    write_pose_file(
        tmp_path, "v", real.replace(keypoints=keypoints, scores=scores), Provenance("test", "1")
    )
    text = render_quality_report(judge_store(PoseStore(tmp_path), DEFAULTS), DEFAULTS)
    path = re.search(r'<path class="missing" d="M(\d+) (\d+)([^"]*)Z"', text)
    assert path is not None
    base = int(path[2])
    steps = [(int(y), int(x)) for y, x in re.findall(r"V(\d+)H(\d+)", path[3])]
    left, right = int(path[1]), steps[-1][1]
    for y, x in steps:
        gone = (x - left) / (right - left) > half / len(real) + 1e-9
        assert (y == base - 20) if gone else (y == base)
    assert text.count("no pose") == 3


def test_the_tool_writes_report_and_list(repo, store, tmp_path):
    html, include = tmp_path / "sub" / "report.html", tmp_path / "include.csv"
    done = subprocess.run(
        [sys.executable, repo / "tools/inspect_store.py", store, "--html", html,
         "--include", include, "--threshold", "frames=1000", "--cards", "3"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2  # torn.h5
    assert done.stdout == ""
    assert "torn.h5: expected an HDF5 pose file" in done.stderr
    assert re.search(r"^20 videos: 0 usable, \d+ to look at, \d+ unusable$", done.stderr, re.M)
    assert "set on the command line" in html.read_text()
    assert len(include.read_text().splitlines()) == 21
    assert [p.name for p in html.parent.iterdir()] == ["report.html"]


def test_written_page_is_the_rendered_one(verdicts, tmp_path):
    write_quality_report(verdicts, DEFAULTS, tmp_path / "a" / "q.html")
    written = (tmp_path / "a" / "q.html").read_text(encoding="utf-8")
    again = render_quality_report(verdicts, DEFAULTS)
    undated = [re.sub(r"Written [\d-]+ [\d:]+ UTC", "", text) for text in (written, again)]
    assert undated[0] == undated[1]
