"""The repository as its tests see it: tracked files, the package's imports, the stub, the manifests."""

import ast
import functools
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "floodway"
STUB = PACKAGE / "_core.pyi"


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the repository that is there: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return tuple(ROOT / name for name in sorted(set(listed)) if name and (ROOT / name).is_file())


def text_of(path: Path) -> str:
    """The file's text, or nothing where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@dataclass(frozen=True)
class Import:
    """`importer` has `name` from `module` (name is empty for `import module`)."""

    importer: str
    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: {self.module}{'.' if self.name else ''}{self.name}"


def modules() -> dict[str, Path]:
    """Dotted names of the package's modules and where they are."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports() -> tuple[Import, ...]:
    """Every import of floodway's own modules in the package, wherever in a file: types and functions included.

    Names of submodules are resolved, so `from floodway.conn import engine` is an import of `floodway.conn.engine`; a
    name read through a module (`_core.Reactor` after `from floodway import _core`) counts as imported.
    """
    known = set(modules()) | {"floodway._core"}
    found = []
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "floodway":
                        found.append(Import(name, alias.name, "", node.lineno))
                        aliases[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    base = package.split(".")[: len(package.split(".")) - node.level + 1]
                    module = ".".join([*base, module] if module else base)
                if module.split(".")[0] != "floodway":
                    continue
                for alias in node.names:
                    if f"{module}.{alias.name}" in known:
                        found.append(Import(name, f"{module}.{alias.name}", "", node.lineno))
                        aliases[alias.asname or alias.name] = f"{module}.{alias.name}"
                    else:
                        found.append(Import(name, module, alias.name, node.lineno))
        found.extend(
            Import(name, aliases[ast.unparse(node.value)], node.attr, node.lineno)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases
        )
    return tuple(found)


@dataclass(frozen=True)
class StubName:
    """A name of `_core`, what it is, and the home that the stub's comment gives it."""

    name: str
    kind: str
    home: str | None


@functools.cache
def stub_names() -> tuple[StubName, ...]:
    """The names of the stub. A `# home: module` behind a class or function says which module imports it."""
    text = STUB.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            is_protocol = any(ast.unparse(base).split("[")[0] == "Protocol" for base in node.bases)
            first = "\n".join(lines[node.lineno - 1 : node.body[0].lineno])
            found.append(StubName(node.name, "protocol" if is_protocol else "class", _home(first)))
        elif isinstance(node, ast.FunctionDef):
            found.append(StubName(node.name, "function", _home("\n".join(lines[node.lineno - 1 : node.end_lineno]))))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if ast.unparse(node.annotation) == "TypeAlias":
                continue
            found.append(StubName(node.target.id, "constant", None))
    return tuple(found)


def _home(text: str) -> str | None:
    match = re.search(r"home: ([\w.]+\w)", text)
    return match[1] if match else None


def manifests() -> dict[str, dict[str, Any]]:  # Any: whatever TOML holds
    """Each crate's Cargo.toml by the crate's name."""
    found = {}
    for path in sorted((ROOT / "crates").glob("*/Cargo.toml")):
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        found[manifest["package"]["name"]] = manifest
    return found


def rust_files(crate: str = "*") -> list[Path]:
    """The crate's own sources, tests and benchmarks."""
    return sorted((ROOT / "crates").glob(f"{crate}/**/*.rs"))


def without_comments(rust: str) -> str:
    """Rust source in which comments and strings are blank, lines kept."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|b?r(?P<hash>#*)".*?"(?P=hash)|b?"(?:\\.|[^"\\])*"|b?\'(?:\\[^\n]*?|[^\'\\\n])\'', re.DOTALL
    )
    return token.sub(lambda match: "\n" * match[0].count("\n") or " ", rust)
