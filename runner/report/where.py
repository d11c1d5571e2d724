"""Select rows of a table by `--where`, as in ``lr < 0.1 and model = resnet18``.

A condition is a column, a sign and a value; several are joined by ``and`` or commas, and all must
hold. Nothing is evaluated: a value is what an unquoted word of a grid means, or text in quotes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from artifacts.tables import values_of
from runner.errors import RunnerError
from runner.grid.scalars import core_scalar
from runner.report.summary import UnknownColumn, known_columns

if TYPE_CHECKING:
    import pyarrow as pa

_SIGNS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_QUOTED: Final = r"\"[^\"]*\"|'[^']*'"
_CONDITION: Final = re.compile(
    rf"\s*({_QUOTED}|[^<>=!,\"']+?)\s*(<=|>=|==|!=|=|<|>)\s*({_QUOTED}|[^<>=!,\"']*?)\s*(?=,|\s+and\s|$)"
)
_INFINITE: Final = {sign + "inf": float(sign + "inf") for sign in ("", "+", "-")}
"""As tables print it; a grid spells it .inf."""
_JOINT: Final = re.compile(r"\s*(?:,|and\s)\s*")


class BadCondition(RunnerError):
    """The --where is not a condition, or asks for an order that its column does not have."""

    exit_code: ClassVar[int] = 2

    text: str
    reason: str

    def __str__(self) -> str:
        return (
            f"--where '{self.text}': {self.reason}: write COLUMN SIGN VALUE, such as \"lr<0.1 "
            'and model=resnet18"'
        )


@dataclass(frozen=True)
class Condition:
    """One column compared with one value."""

    column: str
    sign: str
    value: Any
    """Number, text, true, false or null; text compares with everything as it is printed."""

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.value}"

    def holds(self, cell: Any) -> bool:
        """Return whether a cell fulfills the condition; a missing cell only fulfills ``= null``."""
        if self.value is None or cell is None:
            same = self.value is None and cell is None
            return (
                same
                if self.sign in ("=", "==")
                else not same
                if self.sign == "!=" and self.value is None
                else False
            )
        if isinstance(self.value, bool) or isinstance(cell, bool):
            return (
                isinstance(cell, bool)
                and isinstance(self.value, bool)
                and _SIGNS[self.sign](cell, self.value)
            )
        if isinstance(self.value, str):
            return _SIGNS[self.sign](_printed(cell), self.value)
        if not isinstance(cell, int | float):
            return self.sign == "!="
        return _SIGNS[self.sign](cell, self.value)


def parse(text: str) -> tuple[Condition, ...]:
    """Return the conditions that a text joins.

    Raises:
        BadCondition: It is not of the form.
    """
    found, at = [], 0
    while True:
        match = _CONDITION.match(text, at)
        if match is None:
            raise BadCondition(text, f"'{text[at:].strip()}' is not a condition")
        column, sign, value = (part.strip() for part in match.groups())
        if " " in value and value[0] not in "'\"":
            raise BadCondition(text, f"'{value}' has a blank, so it must stand in quotes")
        read = value[1:-1] if value[:1] in ("'", '"') else _INFINITE.get(value, core_scalar(value))
        if read is None and sign[0] in "<>":
            raise BadCondition(text, f"nothing is {sign} '{value}'")
        found.append(Condition(column.strip("'\""), sign, read))
        if match.end() == len(text):
            return tuple(found)
        joint = _JOINT.match(text, match.end())
        if joint is None:
            raise BadCondition(text, f"'{text[match.end() :].strip()}' is not a condition")
        at = joint.end()


def matching(table: pa.Table, conditions: Sequence[Condition], text: str) -> list[int]:
    """Return the numbers of the rows for which all conditions hold.

    Args:
        text: What the conditions were written as, for messages.

    Raises:
        UnknownColumn: The table lacks a column.
        BadCondition: An order is asked for between numbers and text.
    """
    rows = list(range(table.num_rows))
    for condition in conditions:
        if condition.column not in table.column_names:
            raise UnknownColumn(condition.column, known_columns(table))
        cells = values_of(table, condition.column)
        given = [cell for cell in cells if cell is not None]
        numbers = any(isinstance(cell, int | float) for cell in given)
        if condition.sign[0] in "<>" and given and numbers is isinstance(condition.value, str):
            kind = "numbers" if numbers else "text"
            raise BadCondition(
                text,
                f"'{condition.column}' holds {kind}, which has no order with {condition.value!r}",
            )
        rows = [row for row in rows if condition.holds(cells[row])]
    return rows


def _printed(cell: Any) -> str:
    from runner.report.tables import text

    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else text(cell)
