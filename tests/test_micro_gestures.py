"""The data file of the 32 classes: what PROTOCOLS.md says of them, and the rules of its loader."""

import copy
import json
import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser

import pytest

from mgpose.structures.micro_gestures import (
    IMIGUE_CLASSES,
    MICRO_GESTURES,
    parse_micro_gestures,
)

# PROTOCOLS.md, section 2.1.
GROUPS = {
    "head": {1, 2, 28, 29},
    "head-hand": set(range(3, 14)),
    "body-hand": {14, 15, 16, 18},
    "body": {20, 21, 31},
    "hand": {17, 19, *range(22, 28), 30, 99},
}
TRAIN_CLIPS = 13_936


@pytest.fixture(scope="module")
def document(repo):
    path = repo / "mgpose" / "structures" / "micro_gestures.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_ids_and_names():
    assert [g.id for g in MICRO_GESTURES] == [*range(1, 32), 99]
    assert dict(IMIGUE_CLASSES) == {g.id: g.name for g in MICRO_GESTURES}
    assert len(set(IMIGUE_CLASSES.values())) == 32
    assert IMIGUE_CLASSES[1] == "turtle neck"
    assert IMIGUE_CLASSES[25] == "minaret gesture"
    assert IMIGUE_CLASSES[99] == "illustrative gesture"


def test_groups_are_those_of_the_protocols():
    assert {name: {g.id for g in MICRO_GESTURES if g.group == name} for name in GROUPS} == GROUPS


def test_look_alikes_are_mutual():
    pairs = {(g.name, other) for g in MICRO_GESTURES for other in g.look_alikes}
    assert pairs == {(b, a) for a, b in pairs}
    assert not [g.name for g in MICRO_GESTURES if len(set(g.look_alikes)) < len(g.look_alikes)]


def test_only_the_illustrative_gesture_is_no_micro_gesture():
    assert [g.id for g in MICRO_GESTURES if not g.micro_gesture] == [99]


def test_readings_are_worded_as_attributions(document):
    for gesture in MICRO_GESTURES:
        if gesture.micro_gesture:
            assert gesture.often_read_as.startswith("often read as ")
        else:
            assert gesture.often_read_as == "not a micro-gesture"
    assert "no evidence of a felt emotion" in document["readings"]


def test_shares_have_the_long_tail_of_imigue():
    share = {g.id: g.share for g in MICRO_GESTURES}
    ranked = sorted(share.values(), reverse=True)
    assert sum(ranked) == pytest.approx(100, abs=0.01)
    assert share[99] == ranked[0] == 34.96
    assert share[31] == ranked[1]
    assert sum(ranked[:5]) == pytest.approx(64.91, abs=0.005)
    assert sum(s / 100 * TRAIN_CLIPS < 100 for s in ranked) == 16
    assert share[19] == ranked[-1]
    assert round(share[19] / 100 * TRAIN_CLIPS) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop(), "expected the ids 1..31 and 99"),
        (lambda c: c.reverse(), "expected the ids 1..31 and 99"),
        (lambda c: c[3].update(id=3), "expected the ids 1..31 and 99"),
        (lambda c: c[3].update(name="touching hat"), r"twice \['touching hat'\]"),
        (lambda c: c[3].update(name=""), "class 4 .*: name is empty"),
        (lambda c: c[3].update(motion=""), "class 4 .*: motion is empty"),
        (lambda c: c[3].update(body_parts=[]), "class 4 .*: body_parts is empty"),
        (lambda c: c[3].update(group="foot"), "class 4 .*: expected a group of .*got 'foot'"),
        (lambda c: c[3].update(look_alikes=[]), "class 4 .*: expected 1 to 4 look-alikes, got 0"),
        (lambda c: c[3]["look_alikes"].append("nodding"), "'nodding' of .* is no other class"),
        (lambda c: c[3]["look_alikes"].append(c[3]["name"]), "is no other class"),
        (lambda c: c[3]["look_alikes"].append("head up"), "looks like 'head up', which does not"),
        (lambda c: c[3].update(share=0), "class 4 .*: expected a share in"),
        (lambda c: c[3].update(share=float("nan")), "class 4 .*: expected a share in"),
        (lambda c: c[3].update(share=c[3]["share"] + 1), "sum to 100, got 101"),
        (lambda c: c[3].update(micro_gesture=False), "only 99 is no micro-gesture"),
        (lambda c: c[-1].update(micro_gesture=True), "only 99 is no micro-gesture"),
        (
            lambda c: c[3].pop("motion"),
            r"class 4: missing fields \['motion'\], unknown fields \[\]",
        ),
        (lambda c: c[3].update(colour="red"), r"class 4: .*unknown fields \['colour'\]"),
    ],
)
def test_a_planted_fault_is_refused(document, change, message):
    faulty = copy.deepcopy(document)
    change(faulty["classes"])
    with pytest.raises(ValueError, match=message):
        parse_micro_gestures(json.dumps(faulty))


def test_the_installed_package_carries_its_data(repo, tmp_path):
    """From a zip of what setup.cfg installs, so neither the checkout nor a plain path can help."""
    setup = ConfigParser()
    setup.read(repo / "setup.cfg", encoding="utf-8")
    globs = [g.strip() for g in setup["options.package_data"]["mgpose"].split(",")]
    package = repo / "mgpose"
    installed = {p for glob in ("*.py", "structures/*.py", *globs) for p in package.glob(glob)}
    archive = tmp_path / "installed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(installed):
            file.write(path, path.relative_to(repo))
    code = "import mgpose.structures.micro_gestures as m; print(m.__file__, len(m.MICRO_GESTURES))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    place, count = ran.stdout.split()
    assert place.startswith(str(archive))
    assert count == "32"
