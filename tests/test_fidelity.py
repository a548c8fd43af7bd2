"""Every numbered equation of both papers has a row in docs/fidelity.md and a test that proves it."""

import ast
import functools
import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EQUATIONS = [*(f"HSN {number}" for number in range(1, 19)), *(f"AGBAN {number}" for number in range(1, 26))]
COLUMNS = ["equation", "what it says", "computed by", "proved by", "decision"]


def expand(mark: str) -> list[str]:
    """`"HSN 8-16"` names nine equations."""
    paper, numbers = mark.rsplit(" ", 1)
    first, _, last = numbers.partition("-")
    return [f"{paper} {number}" for number in range(int(first), int(last or first) + 1)]


def marks_of(source: str) -> dict[str, set[str]]:
    """The equations that each test function of a file says it proves."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = found[node.name] = set()
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.equation":
                    marks |= {name for mark in decorator.args for name in expand(ast.literal_eval(mark))}
    return found


@functools.cache
def all_marks() -> dict[str, set[str]]:
    """By `path::test`, over the whole suite."""
    return {
        f"{path.relative_to(ROOT).as_posix()}::{name}": marks
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name, marks in marks_of(path.read_text(encoding="utf-8")).items()
    }


def rows_of(text: str) -> dict[str, dict[str, str]]:
    """The rows of a document's equation tables, by equation."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"(HSN|AGBAN) \d+", cells[0]):
            assert len(cells) == len(COLUMNS), f"{cells[0]}: {len(cells)} columns"
            assert cells[0] not in rows, f"{cells[0]} has two rows"
            rows[cells[0]] = dict(zip(COLUMNS, cells, strict=True))
    return rows


def in_code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def is_there(name: str) -> bool:
    """Whether a dotted name leads to something: a module, and from there attributes."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        missing = object()
        for part in parts[cut:]:
            found = getattr(found, part, missing)
        return found is not missing
    return False


def problems_of(text: str, marks: dict[str, set[str]]) -> list[str]:
    """What keeps a document and a suite from proving every equation."""
    rows, problems = rows_of(text), []
    for equation in EQUATIONS:
        if not any(equation in proved for proved in marks.values()):
            problems.append(f"{equation}: no test is marked with it")
        if equation not in rows:
            problems.append(f"{equation}: no row")
            continue
        row = rows[equation]
        problems += [f"{equation}: nothing under '{column}'" for column in COLUMNS if not row[column]]
        layers, tests = in_code(row["computed by"]), in_code(row["proved by"])
        if not layers:
            problems.append(f"{equation}: names nothing that computes it")
        problems += [f"{equation}: no {name} to import" for name in layers if not is_there(name)]
        if not tests:
            problems.append(f"{equation}: names no test")
        for test in tests:
            if test not in marks:
                problems.append(f"{equation}: no test {test}")
            elif equation not in marks[test]:
                problems.append(f"{equation}: {test} is not marked with it")
    return problems


def test_every_equation_has_a_row_a_layer_and_a_test():
    text = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert problems_of(text, all_marks()) == []


def test_marks_name_equations_that_the_papers_have():
    unknown = {test: proved - set(EQUATIONS) for test, proved in all_marks().items()}
    assert {test: names for test, names in unknown.items() if names} == {}
