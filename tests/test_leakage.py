"""The leakage guard: clean splits pass, each planted leak stops the run, a declared one is printed.

All people and poses are synthetic.
"""

import dataclasses
import json

import pytest

from mgpose.data.clips import ClipSettings
from mgpose.data.folds import Corpus, DataSettings
from mgpose.data.leakage import Findings, Footage, Leak, LeakageGuard, shared_identities
from mgpose.data.protocols import leave_one_group_out, protocol_by_name
from mgpose.data.synthetic import SyntheticCorpus, write_synthetic
from mgpose.evaluation.report import render_report
from mgpose.evaluation.results import ResultRow, TaskResult, read_results, write_results
from mgpose.io import PoseStore, read_annotations, write_annotations
from mgpose.io.annotations import ANNOTATIONS_NAME
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import InputError, Split

CLIP = ClipSettings(frames=16, rate=12.5)


def cut(sequence, first):
    return sequence.replace(
        keypoints=sequence.keypoints[first:],
        scores=sequence.scores[first:],
        time=sequence.time[first:],
        ledger=sequence.ledger[first:],
    )


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Eight synthetic people, one video each; the last two are test."""
    folder = tmp_path_factory.mktemp("clean")
    write_synthetic(SyntheticCorpus(8, 1, 12, 20, "uniform", seed=3), folder)
    return folder


def copied(source, folder, more=(), names=None):
    """The store under other ids; ``more`` (id, poses, hash of the source) joins."""
    store = PoseStore(source)
    names = names or {v: v for v in store}
    spans = {a.video: a for a in read_annotations(source / ANNOTATIONS_NAME)}
    videos = [(v, store[v], store.header(v).provenance.source_sha256) for v in store]
    annotations = []
    for video, sequence, sha in (*videos, *more):
        new = names.get(video, video)
        write_pose_file(folder, new, sequence, Provenance("synthetic", "1", "", sha))
        like = spans.get(video, next(iter(spans.values())))
        annotations.append(
            dataclasses.replace(like, video=new, subject=sequence.subject, start=0.1, stop=1.0)
        )
    write_annotations(folder / ANNOTATIONS_NAME, annotations)
    return folder


def corpus_of(folder, protocol="synthetic"):
    return Corpus(DataSettings("tiny", str(folder), protocol, clip=CLIP, synthetic=True))


def split_of(corpus, test, exceptions=None):
    """A split without groups, so that nothing but the guard looks at people."""
    return Split(
        "by hand",
        "only",
        train=tuple(v for v in corpus.videos if v not in test),
        test=tuple(test),
        exceptions=exceptions or {},
    )


PLANTED = {
    # Same person, other footage and file.
    "subject": lambda s, sha: ("planted", other_footage().replace(subject=s.subject), "a" * 64),
    # Same file, read as other poses of nobody known.
    "source": lambda s, sha: ("planted", other_footage().replace(subject="stranger"), sha),
    # Same footage, trimmed, of another file and nobody known.
    "near_duplicate": lambda s, sha: ("planted", cut(s, 30).replace(subject="other"), "a" * 64),
}


def other_footage():
    video = SyntheticCorpus(1, 1, 12, 20, "uniform", seed=77).video(0)
    return video.sequence(video.script())


@pytest.fixture(scope="module")
def leaky(clean, tmp_path_factory):
    """Kind -> a store with that leak planted: the video ``planted`` is meant for test."""
    return {kind: planted(clean, tmp_path_factory.mktemp(kind), kind) for kind in PLANTED}


def planted(source, folder, kind):
    store = PoseStore(source)
    (original,) = (v for v in store if "s001" in v)
    sha = store.header(original).provenance.source_sha256
    assert sha
    return copied(source, folder, [PLANTED[kind](store[original], sha)])


def test_a_clean_protocol_passes(clean):
    corpus = corpus_of(clean)
    (split,) = corpus.folds()
    findings = LeakageGuard(corpus).check(split)
    assert not findings.leaks
    assert findings.counts == {"train": 6, "test": 2, "pretraining": 0}
    assert findings.lines()[0] == (
        "6 train and 2 test videos; no shared video, source file, subject, near-duplicate clip"
    )


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_leak_stops_the_run(kind, leaky):
    corpus = corpus_of(leaky[kind])
    original = next(v for v in corpus.videos if "s001" in v)
    words = {"subject": "1 subject (synthetic_s001): split by subject"}
    named = words.get(kind, f"({original} and planted")
    with pytest.raises(InputError) as caught:
        LeakageGuard(corpus).check(split_of(corpus, ["planted"]))
    message = str(caught.value)
    assert named in message
    assert message.startswith("tiny, fold only: leakage")
    assert f"exceptions: {kind})" in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", PLANTED)
def test_on_one_side_it_is_no_leak(kind, leaky):
    corpus = corpus_of(leaky[kind])
    last = next(v for v in corpus.videos if "s008" in v)
    assert not LeakageGuard(corpus).check(split_of(corpus, [last])).leaks


@pytest.mark.parametrize("kind", PLANTED)
def test_declared_it_passes_and_is_told(kind, leaky):
    corpus = corpus_of(leaky[kind])
    split = split_of(corpus, ["planted"], {kind: "known and accepted"})
    findings = LeakageGuard(corpus).check(split)
    assert [leak.kind for leak in findings.leaks] == [kind]
    assert any("known and accepted" in line for line in findings.lines())


def test_an_exception_of_one_kind_excuses_no_other(leaky):
    corpus = corpus_of(leaky["source"])
    split = split_of(corpus, ["planted"], {"subject": "known"})
    with pytest.raises(InputError, match="1 source file"):
        LeakageGuard(corpus).check(split)


@pytest.mark.parametrize("kind", ["none", *PLANTED])
def test_other_ids_change_no_verdict(kind, clean, leaky, tmp_path):
    source = leaky.get(kind, clean)
    ids = sorted(PoseStore(source))
    names = {v: f"v{(7 * i) % len(ids)}" for i, v in enumerate(ids)}  # and another order
    assert len(set(names.values())) == len(ids)
    test = "planted" if kind != "none" else next(v for v in ids if "s008" in v)
    renamed = copied(source, tmp_path, names=names)
    for folder, called in ((source, test), (renamed, names[test])):
        corpus = corpus_of(folder)
        split = split_of(corpus, [called], dict.fromkeys(PLANTED, "to see all"))
        found = [leak.kind for leak in LeakageGuard(corpus).check(split).leaks]
        assert found == ([] if kind == "none" else [kind])


def test_a_copy_too_short_for_motion_is_told_by_its_numbers(clean, tmp_path):
    store = PoseStore(clean)
    original = next(v for v in store if "s001" in v)
    short = cut(store[original], len(store[original]) - 2)
    more = [
        ("short", short.replace(subject="one"), "a" * 64),
        ("again", short.replace(subject="another"), "b" * 64),
    ]
    corpus = corpus_of(copied(clean, tmp_path, more))
    with pytest.raises(InputError, match="short and again, number for number"):
        LeakageGuard(corpus).check(split_of(corpus, ["again"]))


def test_what_pre_training_saw_counts_as_train(clean):
    corpus = corpus_of(clean)
    (split,) = corpus.folds()
    guard = LeakageGuard(corpus)
    tested = guard.footage(split.test)[0]
    harmless = Footage("elsewhere", "nobody", "b" * 64, "other set")
    findings = guard.check(split, [harmless])
    assert findings.counts["pretraining"] == 1
    assert any("1 pre-training videos that lie in another store" in n for n in findings.notes)
    for seen, kind in (
        (Footage("elsewhere", tested.subject, "", "tiny"), "subject"),
        (dataclasses.replace(tested, data="other set"), "video"),
    ):
        with pytest.raises(InputError, match=f"1 {kind}"):
            guard.check(split, [seen])


def test_subject_ids_of_another_set_mean_other_people(clean):
    corpus = corpus_of(clean)
    (split,) = corpus.folds()
    guard = LeakageGuard(corpus)
    tested = guard.footage(split.test)[0]
    namesake = Footage("elsewhere", tested.subject, "", "other set")
    findings = guard.check(split, [namesake])
    assert any("subject ids of 'other set' occur here, too" in note for note in findings.notes)
    # The same set under another name gives itself away by a video that both hold.
    common = dataclasses.replace(guard.footage(split.train)[0], data="other set")
    with pytest.raises(InputError, match="1 subject"):
        guard.check(split, [namesake, common])


def test_without_a_test_part_there_is_nothing_to_leak_into(clean):
    corpus = corpus_of(clean, "unlabelled")
    (split,) = corpus.folds()
    assert not LeakageGuard(corpus).check(split).leaks


def test_unknown_people_and_files_are_counted_and_not_compared():
    known = [Footage("a", "unknown", ""), Footage("b", "", "")]
    assert not shared_identities(known, [Footage("c", "unknown", ""), Footage("d", "", "")])


def test_by_hand_and_in_any_order():
    known = [Footage("a", "p1", "x"), Footage("b", "p2", "y"), Footage("c", "p3", "z")]
    test = [Footage("c", "p4", "w"), Footage("d", "p1", "v"), Footage("e", "p5", "y")]
    found = shared_identities(known, test)
    assert [(leak.kind, leak.what) for leak in found] == [
        ("video", "c"),
        ("source", "b and e"),
        ("subject", "p1"),
    ]
    assert shared_identities(known[::-1], test[::-1]) == found


def test_groups_that_a_protocol_shares_are_still_found_by_the_guard(clean, tmp_path):
    """A protocol that keeps nothing apart: its split is built, the guard stops it."""
    folder = planted(clean, tmp_path, "subject")
    careless = leave_one_group_out("careless", "video", keep_apart=())
    corpus = corpus_of(folder)
    by_video = {fold.fold: fold for fold in careless.folds(corpus.annotations)}
    with pytest.raises(InputError, match="1 subject"):
        LeakageGuard(corpus).check(by_video["planted"])


def result(findings):
    return TaskResult(
        task="retrieval",
        title="Retrieval",
        data={"name": "tiny", "synthetic": True, "classes": ["a", "b"],
              "train_clips": 6, "test_clips": 2},
        protocol={"name": "p", "folds": ["only"], "exceptions": dict(findings.exceptions),
                  "leakage": {"only": findings.as_plain()}},
        seed=0,
        headline=("r_at_1",),
        rows=(ResultRow("pre-trained", "pretrained", {"r_at_1": 0.5}),),
    )  # fmt: skip


def test_results_file_and_report_print_the_declared_exception(tmp_path):
    findings = Findings(
        "tiny, fold only",
        (Leak("near_duplicate", "a and <b>, likeness 1.000", "a", "<b>"),),
        {"near_duplicate": "the release repeats itself"},
        {"train": 6, "test": 2, "pretraining": 0},
    )
    findings.require_none()
    write_results(tmp_path / "results.json", {"retrieval": result(findings)})
    back = read_results(tmp_path / "results.json")["retrieval"]
    found = back.protocol["leakage"]["only"]["found"]["near_duplicate"]
    assert found == {
        "count": 1,
        "examples": ["a and <b>, likeness 1.000"],
        "reason": "the release repeats itself",
    }
    assert json.loads((tmp_path / "results.json").read_text())["tasks"]
    page = render_report({"retrieval": back})
    assert "Leakage guard" in page
    assert "declared exception, 1 near-duplicate clip (a and &lt;b&gt;, likeness 1.000)" in page
    assert "the release repeats itself" in page


def test_nw_ucla_cross_view_declares_its_copies():
    protocol = protocol_by_name("nw_ucla_cross_view")
    assert {"subject", "near_duplicate"} <= set(protocol.exceptions)
    clean = protocol_by_name("nw_ucla_cross_view_without_copies")
    assert "near_duplicate" not in clean.exceptions
