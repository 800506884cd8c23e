"""Expressions such as ``addrand(range=(-6, 6), dims=pitch); rev(p=0.5)``, in the syntax of Python.

An expression is calls with keyword arguments, or bare names, with ``;`` between them. A value is a number, a name, a
string, or a tuple of these. It is parsed by :mod:`ast` and never evaluated; any other syntax is an error.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from rich.cells import cell_len

from hachimachi.errors import HachimachiError

WIDTH = 72  # columns of an expression shown around a mistake
LONGEST = 20_000  # most characters of an expression
_VALUE = "a value: a number, a name, or several in parentheses"
_OPERATION = "the name of an operation"
_WHOLE = ast.Name | ast.Constant | ast.Call


class ExpressionError(HachimachiError):
    """An invalid expression: its message has three lines, the last a caret under the mistake, ``at`` an offset."""

    def __init__(self, message: str, text: str, at: int) -> None:
        first = text.rfind("\n", 0, at) + 1
        line, column = text[first:].partition("\n")[0], at - first
        if len(line) > WIDTH:
            begin = min(max(column - WIDTH // 2, 0), len(line) - WIDTH)
            line, column = line[begin : begin + WIDTH], column - begin
        line = line.replace("\t", " ")
        super().__init__(f"{message}\n  {line}\n  {' ' * cell_len(line[:column])}^")


def near(name: str, known: Iterable[str]) -> str:
    """Return a suggestion of the nearest known name for the end of a message, or nothing."""
    known = list(known)
    found = get_close_matches(name, known, n=1) or [other for other in known if other.lower() == name.lower()]
    return f"; did you mean {found[0]}?" if found else ""


def is_word(name: str) -> bool:
    """Return whether a name can stand in an expression without quotes."""
    return name.isidentifier() and not keyword.iskeyword(name)


class Word(str):
    """A name without quotes."""

    __slots__ = ()


Scalar = float | int | str


@dataclass(frozen=True)
class Value:
    """The value of an argument."""

    value: Scalar | tuple[Scalar, ...]  # a number, a :class:`Word`, a string, or a tuple of these
    source: str  # as written
    at: int  # offset of the value
    key_at: int  # offset of the argument's name


@dataclass(frozen=True)
class Call:
    """An operation, its offset, and its arguments by name."""

    name: str
    at: int
    arguments: dict[str, Value]


def read_calls(text: str) -> list[Call]:
    """Return the operations of an expression, in order; ExpressionError where its syntax is invalid."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.line = re.sub(r"[\t-\r]", " ", text)  # one line, where any line break is a space
        self.margin = len(self.line) - len(self.line.lstrip())
        self.encoded = self.line[self.margin :].encode(errors="replace")

    def read(self) -> list[Call]:
        statements = self.parse()
        calls = [self.call(statement) for statement in statements]
        end = self.offset(statements[-1].end_col_offset or 0) if statements else self.margin
        comment = re.compile(r"[^\s;]").search(self.line, end)
        if comment or not calls:
            raise self.wrong(comment.start() if comment else end)
        return calls

    def parse(self) -> list[ast.stmt]:
        if len(self.text) > LONGEST:
            raise ExpressionError(f"{len(self.text):,} characters, expected at most {LONGEST:,}", self.text, LONGEST)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an unknown escape in a string is an error
                return ast.parse(self.line[self.margin :]).body
        except SyntaxError as error:
            raise self.explain(error) from None
        except (MemoryError, RecursionError):
            raise ExpressionError("nested too deeply, expected operations", self.text, self.margin) from None
        except ValueError:  # of NUL and lone surrogates
            odd = re.search("[\0\ud800-\udfff]", self.text)
            raise self.wrong(odd.start() if odd else self.margin) from None

    def call(self, statement: ast.stmt) -> Call:
        node = statement.value if isinstance(statement, ast.Expr) else statement
        if node.col_offset > statement.col_offset:  # it stands in parentheses
            raise self.wrong(self.offset(statement.col_offset))
        if isinstance(node, ast.Name):
            return Call(node.id, self.offset(node.col_offset), {})
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise self.unexpected(node)
        arguments: dict[str, Value] = {}
        for each in [*node.args, *node.keywords]:
            key_at = self.offset(each.col_offset)
            if not isinstance(each, ast.keyword) or each.arg is None:
                raise self.wrong(key_at, "an argument, name=value")
            if each.arg in arguments:
                raise ExpressionError(f"{each.arg} is given twice", self.text, key_at)
            at = self.offset(each.value.col_offset)
            arguments[each.arg] = Value(self.value(each.value), self.source(each.value), at, key_at)
        return Call(node.func.id, self.offset(node.col_offset), arguments)

    def value(self, node: ast.expr) -> Scalar | tuple[Scalar, ...]:
        if not isinstance(node, ast.Tuple):
            return self.scalar(node)
        if not node.elts:
            raise self.wrong(self.offset(node.end_col_offset or 0) - 1, _VALUE)
        return tuple(map(self.scalar, node.elts))

    def scalar(self, node: ast.expr) -> Scalar:
        value = node.value if isinstance(node, ast.Constant) else ...
        if isinstance(node, ast.Name) or isinstance(value, bool) or value is None:
            return Word(self.source(node))
        if isinstance(value, str):
            return value
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            sign = -1 if isinstance(node.op, ast.USub) else 1
            value = node.operand.value if isinstance(node.operand, ast.Constant) else ...
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.unexpected(node)
        if isinstance(value, int) and value.bit_length() > 53:
            value = float(value) if value.bit_length() < 1024 else math.inf
        return sign * value

    def offset(self, column: int) -> int:
        """Return the offset in the text of a column of :mod:`ast`, which counts bytes."""
        return self.margin + len(self.encoded[:column].decode())

    def source(self, node: ast.expr) -> str:
        return self.encoded[node.col_offset : node.end_col_offset].decode()

    def unexpected(self, node: Any) -> ExpressionError:
        """Return the error of Python that is no expression, after its first part: at ``+`` of ``x + 1``."""
        first: Any = node
        while not isinstance(node, ast.JoinedStr) and (first is node or not isinstance(first, _WHOLE)):
            column = first.col_offset
            inner = [each for each in ast.iter_child_nodes(first) if getattr(each, "col_offset", None) == column]
            if not inner:
                break
            first = inner[0]
        column = node.col_offset if first is node else first.end_col_offset
        return self.wrong(self.offset(column or 0))

    def explain(self, error: SyntaxError) -> ExpressionError:
        """Return the error of text that is not Python."""
        begin, stop = (self.margin + max((offset or 1) - 1, 0) for offset in (error.offset, error.end_offset))
        if "unterminated" in error.msg:
            return ExpressionError(f"this quote, {self.line[begin]}, is never closed", self.text, begin)
        if "never closed" in error.msg:
            return self.wrong(len(self.line))
        if "positional argument" in error.msg:  # the offset is that of the ")"
            begin = self.line.rfind(",", 0, begin) + 1
        elif "forgot a comma" in error.msg:  # the offset is that of the first of two values
            for space in islice(re.finditer(r"\s+", self.line[begin:stop]), 50):
                try:
                    ast.parse(self.line[begin : begin + space.start()], mode="eval")
                except (SyntaxError, ValueError, MemoryError, RecursionError):
                    continue
                begin += space.end()
                break
        while begin and self.line[begin - 1 : begin + 1].isalnum():  # from the first character of 2nd on
            begin -= 1
        return self.wrong(begin)

    def wrong(self, at: int, expected: str = "") -> ExpressionError:
        """Return the error of an unexpected piece at an offset, or after spaces there."""
        end = len(self.line.rstrip())
        at += len(self.line[at:]) - len(self.line[at:].lstrip())
        if at >= end:
            return ExpressionError(f"found the end, expected {expected or self.expected(end)}", self.text, end)
        piece = re.compile(r"[^\s();,=]+").match(self.line, at)
        found = piece[0] if piece else self.line[at]
        expected = expected or self.expected(at)
        if expected == _VALUE and found not in "();,=":
            expected = "a name or a number; names with other signs stand in quotes"
            expected += f", and so does {found}" if keyword.iskeyword(found) else ""
        found = found if len(found) <= WIDTH else f"{found[:WIDTH]}…"
        return ExpressionError(f"found {found!r}, expected {expected}", self.text, at)

    def expected(self, at: int) -> str:
        """Return what is expected at an offset."""
        before = re.sub(r"\"[^\"]*\"|'[^']*'", "x", self.line[:at]).rstrip()
        depth = before.count("(") - before.count(")")
        if depth <= 0:
            return "; and another operation, or the end" if before.strip("; ") and before[-1] != ";" else _OPERATION
        if before[-1] == "=" or (depth > 1 and before[-1] in "(,"):
            return _VALUE
        return "an argument, name=value" if before[-1] in "(," else "a comma or )"
