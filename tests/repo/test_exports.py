"""The public names: `__all__`, what importing gives, what the docs mention and what the stub declares agree."""

import ast
import dataclasses
import inspect
import re
import types
from pathlib import Path

import pytest

import floodway
import floodway._core
from tests.repo.sources import PACKAGE, ROOT, stub_names

PUBLIC = [name for name in floodway.__all__ if name != "__version__"]
CLASSES = [name for name in PUBLIC if inspect.isclass(getattr(floodway, name))]


def test_all_is_sorted_and_without_repetition() -> None:
    assert list(floodway.__all__) == sorted(set(floodway.__all__))


def test_everything_public_is_listed() -> None:
    reachable = {
        name
        for name, value in vars(floodway).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert reachable == set(PUBLIC)


def test_the_package_is_only_imports_and_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    logic = [ast.unparse(node) for node in tree.body if not isinstance(node, ast.Expr | ast.ImportFrom | ast.Assign)]
    assert logic == []


def test_names_are_exported_one_by_one() -> None:
    """`from x import Y as Y`: what type checkers take for an export."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    aliases = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert [alias.name for alias in aliases if alias.asname != alias.name] == []


def test_the_stub_declares_what_the_core_exports() -> None:
    declared = {one.name for one in stub_names() if one.kind != "protocol"}
    exported = {name for name in vars(floodway._core) if not name.startswith("_")}
    assert exported == declared


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(floodway, name)
    assert (value.__doc__ or "").strip(), f"floodway.{name} has no docstring"
    if inspect.isclass(value):
        bare = [
            f"{name}.{member}"
            for member, function in inspect.getmembers(value, _is_documentable)
            if not member.startswith("_")
            and not hasattr(OSError, member)
            and not (inspect.getdoc(function) or "").strip()
        ]
        assert bare == []


@pytest.mark.parametrize("name", CLASSES)
def test_a_public_class_states_its_threading_promise(name: str) -> None:
    """Values that never change (frozen dataclasses) and exceptions need none."""
    cls = getattr(floodway, name)
    if issubclass(cls, BaseException) or dataclasses.is_dataclass(cls):
        return
    assert re.search(r"\bthreads?\b", inspect.getdoc(cls) or ""), f"which threads may use floodway.{name}?"


def test_public_names_are_found_in_the_docs() -> None:
    """README or docs/ mention each of them as code."""
    pages = _documentation()
    unmentioned = [name for name in PUBLIC if not re.search(rf"`[^`]*\b{name}\b|\b{name}\(|floodway\.{name}\b", pages)]
    assert unmentioned == []


def test_the_reference_lists_the_public_names() -> None:
    """Headings of docs/reference.md, if there is one, are the public names and nothing else."""
    reference = ROOT / "docs" / "reference.md"
    if not reference.exists():
        return
    headings = re.findall(r"^#{2,4} `(?:floodway\.)?(\w+)", reference.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(PUBLIC)


def _is_documentable(value: object) -> bool:
    return inspect.isroutine(value) or isinstance(value, property) or inspect.isgetsetdescriptor(value)


def _documentation() -> str:
    pages: list[Path] = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)
