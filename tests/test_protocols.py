import pytest

from mgpose.data.protocols import inner_split, leave_one_group_out, protocol_by_name
from mgpose.io.importers.import_pose import FORMATS
from mgpose.structures import Annotation, InputError

PEOPLE = ("p01", "p02", "p03", "p04", "p05", "p06", "p07", "p08", "p09", "p10")


def clip(video, subject, label, **groups):
    return Annotation(video, subject, 0, 30, label, unit="frame", groups=groups)


def signs():
    labels = {"p05": ("no",), "p09": ("hello", "my"), "p10": ("Namaste",)}
    shared = ("hello", "thanks", "iloveyou", "cat")
    return [clip(f"{p}_{label}", p, label) for p in PEOPLE for label in labels.get(p, shared)]


def views():
    return [
        clip(f"a01_s{s:02d}_e00_v{v:02d}", f"s{s:02d}", "throw",
             performance=f"a01_s{s:02d}_e00", camera=f"v{v:02d}")
        for s in range(1, 11) for v in (1, 2, 3)
    ]  # fmt: skip


def test_leave_one_person_out_tests_three_signs_and_trains_on_everybody_else():
    folds = protocol_by_name("holistic_signs_leave_one_person_out").folds(signs())
    assert [f.fold for f in folds] == ["p01", "p02", "p03", "p04", "p06", "p07", "p08"]
    for fold in folds:
        assert set(fold.test) == {f"{fold.fold}_{s}" for s in ("hello", "thanks", "iloveyou")}
        assert {"p05_no", "p10_Namaste"} <= set(fold.train)
        assert not [v for v in fold.train if v.startswith(fold.fold)]


def test_the_joint_lists_hold_out_whole_people_and_sessions():
    (fold,) = protocol_by_name("holistic_signs_joint").folds(signs())
    assert {v[:3] for v in fold.test} == {"p01", "p02", "p03", "p06", "p07"}
    assert {v[:3] for v in fold.train} == {"p04", "p05", "p08", "p09", "p10"}
    assert {v[4:] for v in fold.test} == {"hello", "thanks", "iloveyou"}
    assert "p05_no" in fold.train
    takes = [clip(f"s{n}_{i}", f"unknown {n}", "sign", session=f"session{n}")
             for n in range(5) for i in range(3)]  # fmt: skip
    (fold,) = protocol_by_name("ksl13_joint").folds(takes)
    assert {v[:2] for v in fold.test} == {"s2", "s4"}
    assert {v[:2] for v in fold.train} == {"s0", "s1", "s3"}


def test_cross_view_declares_what_it_shares():
    (fold,) = protocol_by_name("nw_ucla_cross_view").folds(views())
    assert (len(fold.train), len(fold.test)) == (20, 10)
    assert set(fold.exceptions) == {"subject", "performance"}
    assert all(fold.exceptions.values())


def test_cross_subject_shares_nothing():
    (fold,) = protocol_by_name("nw_ucla_cross_subject").folds(views())
    assert {v[4:7] for v in fold.test} == {"s09", "s10"}
    assert not fold.exceptions


def test_synthetic_holds_out_the_last_quarter_of_the_subjects():
    annotations = [clip(f"v{i:02d}", f"s{i:02d}", "head up") for i in range(12)]
    (fold,) = protocol_by_name("synthetic").folds(annotations)
    assert fold.test == ("v09", "v10", "v11")
    assert len(fold.train) == 9


def test_a_leaking_protocol_fails_on_construction():
    leaking = leave_one_group_out("leaking", "camera")
    with pytest.raises(ValueError, match="train and test share the subject"):
        leaking.folds(views())
    declared = leave_one_group_out("declared", "camera", exceptions={"subject": "the same ten"})
    assert [f.fold for f in declared.folds(views())] == ["v01", "v02", "v03"]


def test_inner_split_leaves_the_test_part_alone():
    for fold in protocol_by_name("holistic_signs_leave_one_person_out").folds(signs()):
        inner = inner_split(fold, signs(), "subject")
        assert inner.protocol == "holistic_signs_leave_one_person_out-tuning"
        assert not set(fold.test) & {*inner.train, *inner.test}
        # p09 and p10 come last but show one or none of the three signs.
        assert inner.test[0][:3] == ("p07" if fold.fold == "p08" else "p08")
        assert {v[:3] for v in inner.train} == set(PEOPLE) - {fold.fold, inner.test[0][:3]}


def test_inner_split_by_a_stated_value_keeps_the_exceptions_it_needs():
    (fold,) = protocol_by_name("nw_ucla_cross_view").folds(views())
    inner = inner_split(fold, views(), "camera", "v01")
    assert {v[-3:] for v in inner.train} == {"v02"}
    assert {v[-3:] for v in inner.test} == {"v01"}
    assert set(inner.exceptions) == {"subject", "performance"}
    with pytest.raises(ValueError, match="share the camera"):
        inner_split(fold, views(), "subject", "s03")
    with pytest.raises(InputError, match="cannot hold out camera 'v09'"):
        inner_split(fold, views(), "camera", "v09")


def test_missing_groups_values_and_names_are_one_line():
    with pytest.raises(InputError, match="has no group 'camera'"):
        protocol_by_name("nw_ucla_cross_view").folds(signs())
    with pytest.raises(InputError, match=r"holds out \['s09', 's10'\]"):
        protocol_by_name("nw_ucla_cross_subject").folds(views()[:12])
    with pytest.raises(InputError, match="unknown protocol 'nw_ucla'; known"):
        protocol_by_name("nw_ucla")


def annotations_at(source, format):
    return [a for pose in FORMATS[format].read(source) for a in pose.annotations]


@pytest.mark.shared
def test_nw_ucla_has_the_published_counts(real_data):
    annotations = annotations_at(real_data / "nw-ucla" / "all_sqe.zip", "nw-ucla")
    (fold,) = protocol_by_name("nw_ucla_cross_view").folds(annotations)
    assert (len(fold.train), len(fold.test)) == (1020, 464)
    performance = fold.groups["performance"]
    trained = {performance[v] for v in fold.train}
    assert sum(performance[v] in trained for v in fold.test) == 458
    (clean,) = protocol_by_name("nw_ucla_cross_subject").folds(annotations)
    assert len(clean.train) + len(clean.test) == 1484


@pytest.mark.shared
def test_sign_sets_have_the_stated_counts(real_data):
    annotations = annotations_at(real_data / "holistic-signs-mp", "mediapipe-npz")
    folds = protocol_by_name("holistic_signs_leave_one_person_out").folds(annotations)
    assert [len(f.test) for f in folds] == [90, 90, 90, 90, 80, 87, 120]
    (joint,) = protocol_by_name("holistic_signs_joint").folds(annotations)
    assert len(joint.test) == 90 + 90 + 90 + 80 + 87
    annotations = annotations_at(real_data / "ksl13-mp-body-hands", "mediapipe-npz")
    folds = protocol_by_name("ksl13_leave_one_session_out").folds(annotations)
    assert [len(f.test) for f in folds] == [650, 130, 650, 390, 650]
    assert {len(f.test) + len(f.train) for f in folds} == {2470}
    (joint,) = protocol_by_name("ksl13_joint").folds(annotations)
    assert (len(joint.train), len(joint.test)) == (650 + 130 + 390, 650 + 650)
