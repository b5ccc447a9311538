"""What lies beside a synthetic store: read exactly, aligned with the annotations, or refused."""

import math

import pytest

from mgpose.data.generating_parameters import read_parameters, read_states
from mgpose.structures import Annotation, InputError

HEAD = "video,start,stop,label,x,hertz\n"
ROWS = 'a,0.5,1.25,"rub, hold",1.5,\na,0.5,2.0,scratch,-2,3\nb,0.5,1.25,"rub, hold",,4e-1\n'
STATES = "video,subject,emotion,state\na,p1,positive,0.7\nb,p2,negative,-1.25\n"


def gesture(video, start, stop, label):
    return Annotation(video, "p", start, stop, label)


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_rows_are_those_of_the_annotations(write):
    drawn = read_parameters(write(HEAD + ROWS))
    assert drawn.names == ("x", "hertz")
    found = drawn.of([gesture("b", 0.5, 1.25, "rub, hold"), gesture("a", 0.5, 2.0, "scratch")])
    assert found[1].tolist() == [-2, 3]
    assert math.isnan(found[0, 0])
    assert found[0, 1] == 0.4
    assert drawn.of([gesture("a", 0.5, 1.25, "rub, hold")])[0, 0] == 1.5


@pytest.mark.parametrize(
    "other", [("c", 0.5, 1.25, "scratch"), ("a", 0.5, 2.0, "rub, hold"), ("a", 0.6, 2.0, "scratch")]
)
def test_a_gesture_without_a_row(write, other):
    drawn = read_parameters(write(HEAD + ROWS))
    with pytest.raises(InputError, match=r"file.csv: expected a row for each of 2 .* none for 1"):
        drawn.of([gesture("a", 0.5, 2.0, "scratch"), gesture(*other)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header line and rows, found 0"),
        (HEAD, "header line and rows, found 1"),
        ("video,start,label,x\na,1,b,2\n", "line 1: expected the columns video,start,stop,label"),
        ("video,start,stop,label\na,1,2,b\n", "line 1: expected the columns"),
        ("video,start,stop,label,x,x\na,1,2,b,1,2\n", "line 1: expected parameters of different"),
        (HEAD + "a,0.5,1,scratch,1\n", "line 2: expected 6 fields, found 5"),
        (HEAD + ROWS + "a,one,1,scratch,1,2\n", "line 5: expected a finite number, found 'one'"),
        (HEAD + ROWS + "a,1,2,scratch,inf,2\n", "line 5: expected a finite number, found 'inf'"),
        (HEAD + ROWS + "a,0.5,2,scratch,1,2\n", "line 5: expected one row a gesture"),
        (HEAD + 'a,0.5,2,"scratch,1,2\n', "line 2"),
    ],
)
def test_parameters_that_cannot_be_read(write, text, message):
    with pytest.raises(InputError) as caught:
        read_parameters(write(text))
    assert message in str(caught.value)
    assert "file.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_states(write):
    states = read_states(write(STATES), {"b": "negative", "a": "positive"})
    assert list(states) == ["b", "a"]
    assert (states["b"].state, states["b"].subject) == (-1.25, "p2")
    assert list(read_states(write(STATES), {"a": "positive"})) == ["a"]


@pytest.mark.parametrize(
    ("text", "emotions", "message"),
    [
        (STATES, {"a": "negative"}, "expected 'negative' for 'a', as annotated, found 'positive'"),
        (STATES, {"c": "negative"}, "expected 'negative' for 'c', as annotated, found 'nothing'"),
        (STATES + "a,p1,positive,1\n", {}, "line 4: expected one row a video, found two of a"),
        (STATES + "c,p1,positive,\n", {}, "line 4: expected a finite number, found ''"),
        ("video,state\na,1\n", {}, "line 1: expected the columns video,subject,emotion,state"),
    ],
)
def test_states_that_do_not_fit(write, text, emotions, message):
    with pytest.raises(InputError) as caught:
        read_states(write(text), emotions)
    assert message in str(caught.value)


def test_a_missing_file(tmp_path):
    for read in (read_parameters, lambda path: read_states(path, {})):
        with pytest.raises(InputError, match=r"none.csv: expected a CSV file, found nothing"):
            read(tmp_path / "none.csv")
