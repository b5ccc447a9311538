import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgpose.io import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.structures import Annotation, InputError

HEADER = "video,subject,start,stop,unit,tier,label,annotator,confidence,groups\n"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
WORD = st.text(st.characters(codec="utf-8", exclude_characters="=;\0\r\n"), max_size=8)


@st.composite
def annotations(draw):
    start = draw(st.floats(0, 1e6))
    return Annotation(
        video=draw(TEXT),
        subject=draw(TEXT),
        start=start,
        stop=start + draw(st.floats(1e-3, 1e6)),
        label=draw(TEXT.filter(bool)),
        tier=draw(st.sampled_from(("gesture", "emotion", "other, tier"))),
        unit=draw(st.sampled_from(("second", "frame"))),
        annotator=draw(TEXT),
        confidence=draw(st.floats(0, 1)),
        groups=draw(st.dictionaries(WORD, WORD, max_size=3)),
    )


@given(rows=st.lists(annotations(), max_size=5))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_round_trip_is_exact(tmp_path, rows):
    write_annotations(tmp_path / ANNOTATIONS_NAME, rows)
    assert read_annotations(tmp_path / ANNOTATIONS_NAME) == rows
    assert [path.name for path in tmp_path.iterdir()] == [ANNOTATIONS_NAME]


@pytest.mark.parametrize("value", ["a=b", "a;b"])
def test_groups_that_would_not_read_back(tmp_path, value):
    row = Annotation("v", "s", 0, 1, "x", groups={"session": value})
    with pytest.raises(ValueError, match="cannot hold"):
        write_annotations(tmp_path / "a.csv", [row])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns video,subject"),
        ("a,b\n1,2\n", "line 1: expected the columns"),
        (HEADER + "v,s,0,1,second,gesture,x,,1.0,\nv,s,0,1\n", "line 3: expected 10 fields"),
        (HEADER + "v,s,zero,1,second,gesture,x,,1.0,\n", "line 2: could not convert"),
        (HEADER + "v,s,2,1,second,gesture,x,,1.0,\n", "line 2: .*0 <= start < stop"),
        (HEADER + "v,s,0,nan,second,gesture,x,,1.0,\n", "line 2: .*0 <= start < stop"),
        (HEADER + "v,s,0,1,hour,gesture,x,,1.0,\n", "line 2: unit must be"),
        (HEADER + "v,s,0,1,second,gesture,,,1.0,\n", "line 2: .*empty label"),
        (HEADER + "v,s,0,1,second,gesture,x,,2,\n", "line 2: confidence"),
        (HEADER + "v,s,0,1,second,gesture,x,,1,a=b=c\n", "line 2: expected groups"),
        (HEADER + 'v,s,0,1,second,gesture,"x,,1,\n', "line 2"),
    ],
)
def test_bad_files_are_named_by_line(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_annotations(path)
    assert "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="found nothing"):
        read_annotations(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b\.csv"):
        read_annotations(tmp_path / "b.csv")
