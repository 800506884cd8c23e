"""The grammar: what is read, what is written, and how a mistake is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.augment.apply import Chain, parse
from hachimachi.augment.expression import WIDTH, ExpressionError
from hachimachi.augment.ops import AddRand, MulRand
from hachimachi.errors import HachimachiError


def test_expressions_are_read() -> None:
    add = AddRand(dims=("pitch",), range=(-6, 6))
    mul = MulRand(dims=("time", "duration"), range=(-0.5, 0.5), log=True, p=0.25)
    written = "addrand(range=(-6, 6), dims=pitch); mulrand(p=.25, dims=(t, duration,), range=(-0.5, 5e-1), log=true,)"
    assert parse(written) == Chain((add, mul))
    assert parse(written.split(";")) == parse([written]) == parse(Chain((add, mul))) == parse(f"\n{written} ;\n")
    assert str(parse(written)) == (
        "addrand(dims=pitch, range=(-6, 6)); mulrand(dims=(t, duration), range=(-0.5, 0.5), log=true, p=0.25)"
    )


@pytest.mark.parametrize(
    ("written", "dims", "again"),
    [
        ("t", ("time",), "t"),
        ("time", ("time",), "t"),
        ('"t"', ("t",), '"t"'),
        ("'all'", ("all",), '"all"'),
        ("all", (":",), "all"),
        ("(2, '2', t)", (2, "2", "time"), '(2, "2", t)'),
        ("'left hand'", ("left hand",), '"left hand"'),
        ('"it\'s; (odd)"', ("it's; (odd)",), '"it\'s; (odd)"'),
        ("größe_1", ("größe_1",), "größe_1"),
        ("(true)", ("true",), "true"),
        ("'class'", ("class",), "class"),
        ("True", ("True",), "True"),
        ("'a\"b'", ('a"b',), "'a\"b'"),
        (r'"a\\b\tc"', ("a\\b\tc",), r'"a\\b\tc"'),
    ],
)
def test_features_go_by_name_or_number(written: str, dims: tuple[str | int, ...], again: str) -> None:
    [op] = parse(f"abs(dims={written})").ops
    assert op.dims == dims
    assert str(op) == f"abs(dims={again})"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("^addrnd(dims=x)", "no operation addrnd; did you mean addrand?"),
        ("^xyzzy()", "no operation xyzzy; there are abs, add, "),
        ("abs(^dim=x)", "abs has no argument dim; did you mean dims?"),
        ("abs(dims=x, ^zzz=1)", "abs has no argument zzz; it has dims, p"),
        ("^abs()", "abs lacks dims: expected features by name or number"),
        ("abs(dims=x, ^dims=y)", "dims is given twice"),
        ("abs(dims=^-1)", "dims is -1, expected features by name or number"),
        ("abs(dims=^1.5)", "dims is 1.5, expected features"),
        ("abs(dims=(x, ^,))", "found ',', expected a value"),
        ("abs(dims=(^), p=1)", "found ')', expected a value"),
        ("rev(p=^2)", "p is 2, expected a number from 0 to 1"),
        ("rev(p=^high)", "p is high, expected a number from 0 to 1"),
        ("rev(p=^(0, 1))", "p is (0, 1), expected a number from 0 to 1"),
        ("rev(^0.5)", "found '0.5', expected an argument, name=value"),
        ("rev(^p)", "found 'p', expected an argument, name=value"),
        ("rev(p=0.5^", "found the end, expected a comma or )"),
        ("rev(p=0.5 ^dims=x)", "found 'dims', expected a comma or )"),
        ("rev() ^abs(dims=x)", "found 'abs', expected ; and another operation, or the end"),
        ("rev(); ^; rev()", "found ';', expected the name of an operation"),
        ("^", "found the end, expected the name of an operation"),
        ("abs(dims=^2nd)", "found '2nd', expected a name or a number; names with other signs stand in quotes"),
        ("abs(dims=^'x)", "this quote, ', is never closed"),
        ("rev ^| abs", "found '|', expected ; and another operation, or the end"),
        ("rev() ^# abs", "found '#', expected ; and another operation, or the end"),
        ("rev^.x()", "found '.x', expected ; and another operation, or the end"),
        ("^(rev())", "found '(', expected the name of an operation"),
        ("x ^= 1", "found '=', expected ; and another operation, or the end"),
        ("rev(^*p)", "found '*p', expected an argument, name=value"),
        ("rev(p=0.5, ^dims)", "found 'dims', expected an argument, name=value"),
        ("abs(dims=x ^+ 1)", "found '+', expected a comma or )"),
        ("abs(dims=f^'{x}')", "expected a comma or )"),
        ("abs(dims=^'x\\d')", "expected text in quotes, where a backslash is written twice"),
        ("addrand(dims=x, range=^(6, -6))", "range is (6, -6), expected (low, high), such as (-6, 6)"),
        ("addrand(dims=x, range=^6)", "range is 6, expected (low, high)"),
        ("addrand(dims=x, range=^(1, 2, 3))", "range is (1, 2, 3), expected (low, high)"),
        ("addrand(dims=x, range=^(1, 1e999))", "range is (1, 1e999), expected (low, high)"),
        ("^addrand(dims=x)", "addrand lacks range=(low, high), or dist=normal with mean and std"),
        ("addrand(dims=x, range=(0, 1), std=^2)", "std belongs to dist=normal"),
        ("addrand(dims=x, range=^(0, 1), dist=normal)", "range belongs to dist=uniform"),
        ("addrand(dims=x, dist=^gauss)", "dist is gauss, expected uniform or normal"),
        ("addrand(dims=x, dist=^Normal)", "dist is Normal, expected uniform or normal; did you mean normal?"),
        ("addrand(dims=x, range=(0, 1), per=^steps)", "did you mean step?"),
        ("addrand(dims=x, range=(0, 1), log=^True)", "log is True, expected true or false; did you mean true?"),
        ("addrand(dims=x, dist=normal, std=^-1)", "std is -1, expected a number from 0"),
        ("add(dims=x, value=^maen)", "value is maen, expected a number, mean or std; did you mean mean?"),
        ("add(dims=x, value=1, per=^step)", "per says of what a mean or std is; value is 1, a constant"),
        ("div(dims=x, value=^0)", "value is 0, expected another number to divide by"),
        ("^clip(dims=x)", "clip lacks min, max or both"),
        ("clip(dims=x, min=^2, max=1)", "min is 2 and max is 1, expected min at most max"),
        ("round(dims=x, step=^0)", "step is 0, expected a number above 0"),
    ],
)
def test_a_mistake_is_shown_where_it_is(written: str, says: str) -> None:
    place, text = written.index("^"), written.replace("^", "")
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    message, shown, caret = str(caught.value).split("\n")
    assert says in message
    assert shown == f"  {text}"
    assert caret == "  " + " " * place + "^"


def test_a_mistake_in_a_long_expression_or_among_lines_is_shown_too() -> None:
    many = "; ".join(["addrand(dims=pitch, range=(-6, 6))"] * 50)
    with pytest.raises(ExpressionError) as caught:
        parse(f"{many}; oops(); {many}")
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) == WIDTH + 2
    assert shown[caret.index("^") :].startswith("oops()")
    with pytest.raises(ExpressionError) as caught:
        parse("rev();\n\tabs(dims='大きさ', q=1);\nrev()")
    _, shown, caret = str(caught.value).split("\n")
    assert shown == "   abs(dims='大きさ', q=1);"
    assert caret.index("^") == shown.index("q=1") + 3  # each of these three signs is two wide


HOSTILE = {
    "parentheses": "(" * 300,
    "signs": "-" * 9000 + "1",
    "attributes": "a" + ".b" * 9000,
    "commas": "abs(dims=" + "x y " * 4000,
    "digits": f"abs(dims={'1' * 5000})",
    "length": "rev();" * 10_000,
    "NUL": "rev(\0)",
    "surrogate": "rev(p='\udc80')",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_written_on_purpose_ends_in_one_error(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value).count("\n") == 2


@given(st.text() | st.text("addrevp=(),;.-+'\"t 0123456789\n"))
def test_whatever_is_written_is_read_or_shown_in_three_lines(text: str) -> None:
    try:
        chain = parse(text)
    except ExpressionError as error:
        assert str(error).count("\n") == 2
        assert str(error).endswith("^")
    else:
        assert parse(str(chain)) == chain


def test_wrong_values_are_refused_in_python_too() -> None:
    with pytest.raises(HachimachiError, match="p is 3, expected a number from 0 to 1"):
        AddRand(dims=("x",), range=(0, 1), p=3)
    with pytest.raises(HachimachiError, match="dims is 'x', expected features by name or number"):
        AddRand(dims="x", range=(0, 1))  # pyright: ignore[reportArgumentType]
