"""What benchmarks found, judged against their goals: a table for people, JSON for machines.

A benchmark is a module of this package with ``async def measure() -> dict[str, Any]``. It may also
define ``GOALS``, for example ``{"ratio": (">=", 0.5)}``, ``EITHER``, groups of goals of which one
is enough, and ``YARDSTICK``, what its ratios are ratios to.
"""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MISSED = "MISSED"
Goal = tuple[str, float]
"""How a figure has to compare, and with what."""
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a benchmark, and what was expected of it."""

    figure: str
    value: Any
    """None: it was not measured."""
    goal: Goal | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark on one machine at one commit."""

    name: str
    work: str
    yardstick: str
    date: str
    commit: str
    machine: str
    seconds: float
    figures: Mapping[str, Any]
    goals: Mapping[str, Goal] = field(default_factory=dict)
    either: Sequence[Sequence[str]] = ()
    error: str | None = None
    """Why there are no figures."""

    @property
    def rows(self) -> list[Row]:
        """The figures with a goal, then the others."""
        return judge(self.figures, self.goals, self.either)

    @property
    def missed(self) -> bool:
        """Whether a goal was not reached, be it for want of a figure."""
        return self.error is not None or any(row.missed for row in self.rows)

    def document(self) -> dict[str, Any]:
        """As JSON; ``missed`` names the figures."""
        return asdict(self) | {"missed": [row.figure for row in self.rows if row.missed]}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Result":
        """What ``document`` was made of."""
        known = {name: value for name, value in document.items() if name != "missed"}
        goals = {name: (sign, bound) for name, (sign, bound) in known.pop("goals").items()}
        return cls(**known, goals=goals)


def judge(
    figures: Mapping[str, Any],
    goals: Mapping[str, Goal],
    either: Collection[Sequence[str]] = (),
) -> list[Row]:
    """Hold figures against their goals.

    Parameters
    ----------
    either
        Groups of figures with goals: where one of a group reaches its goal, none of it is missed.

    Raises
    ------
    ValueError
        If a goal's comparison is none, or a group names a figure without a goal.
    """
    for sign, _ in goals.values():
        if sign not in COMPARISONS:
            raise ValueError(f"{sign!r} is no comparison: {', '.join(COMPARISONS)}")
    if strangers := {name for group in either for name in group} - set(goals):
        raise ValueError(f"no goal for {', '.join(sorted(strangers))}")
    short = {name for name, goal in goals.items() if not _reached(figures.get(name), goal)}
    for group in either:
        if not short.issuperset(group):
            short.difference_update(group)
    rows = [Row(name, figures.get(name), goal, name in short) for name, goal in goals.items()]
    return rows + [Row(name, value) for name, value in figures.items() if name not in goals]


def _reached(value: Any, goal: Goal) -> bool:
    sign, bound = goal
    return value is not None and COMPARISONS[sign](value, bound)


def as_text(results: Sequence[Result]) -> str:
    """One table of all figures, for a terminal."""
    lines = [("benchmark", "figure", "measured", "goal", "")]
    for result in results:
        if result.error is not None:
            lines.append((result.name, result.error, "", "", MISSED))
        for row in result.rows:
            verdict = MISSED if row.missed else ""
            lines.append((result.name, row.figure, _said(row.value), _wanted(row.goal), verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]
        ).rstrip()
        for line in lines
    )


def as_markdown(results: Sequence[Result]) -> str:
    """The goals with their figures, then what is only stated: the tables of the README."""
    goals = [
        "| work | yardstick | figure | goal | measured | date | commit |",
        "|---|---|---|---|---|---|---|",
    ]
    stated = ["| benchmark | also measured |", "|---|---|"]
    for result in results:
        what = f"[{result.name}]({result.name}.py): {result.work} | {result.yardstick}"
        where = f"{result.date} | {result.commit}"
        for row in result.rows:
            if row.goal is not None:
                measured = f"{_said(row.value)} **{MISSED}**" if row.missed else _said(row.value)
                goals.append(
                    f"| {what} | `{row.figure}` | {_wanted(row.goal)} | {measured} | {where} |"
                )
        rest = [f"{row.figure} {_said(row.value)}" for row in result.rows if row.goal is None]
        if rest:
            stated.append(f"| {result.name} | {', '.join(rest)} |")
    machines = sorted({result.machine for result in results})
    return "\n".join([*goals, "", f"Measured on: {'; '.join(machines)}.", "", *stated]) + "\n"


def _said(value: Any) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | float) and abs(value) >= 1_000:
        return f"{value:,.0f}"
    return str(value)


def _wanted(goal: Goal | None) -> str:
    return f"{goal[0]} {_said(goal[1])}" if goal else ""
