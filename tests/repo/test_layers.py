"""The import rules of the three layers. Each rule is one test; ARCHITECTURE.md says why they hold."""

import re

import pytest

from tests.repo.sources import Import, imports, manifests, modules, rust_files, stub_names, without_comments

# What a module stands on: it may import its own layer and those to the right of it.
ORDER = ["app", "conn", "base", "_core"]
# Importable everywhere, and importing no layer.
BESIDE = {"errors", "limits", "config", "log", "_deprecate", "_documented"}

# What each crate may depend on. `floodway-testkit` is for tests only.
CRATES = {
    "floodway-base": set(),
    "floodway-sys": {"floodway-base"},
    "floodway-app": {"floodway-base"},
    "floodway-conn": {"floodway-base", "floodway-sys"},
    "floodway-load": {"floodway-base", "floodway-sys", "floodway-tls"},
    "floodway-testkit": {"floodway-base"},
    "floodway-tls": {"floodway-base"},
    "floodway-py": {
        "floodway-base",
        "floodway-sys",
        "floodway-app",
        "floodway-conn",
        "floodway-load",
        "floodway-tls",
    },
}


def part(module: str) -> str:
    """The layer, or whatever else stands directly below the package: floodway.conn.engine -> conn."""
    return module.split(".")[1] if "." in module else ""


def test_python_imports_point_down_only() -> None:
    def goes_up(one: Import) -> bool:
        importer, imported = part(one.importer), part(one.module)
        if importer not in ORDER or imported in BESIDE:
            return False
        if one.importer == "floodway.app.echo" and one.module == "floodway":
            return False  # the first file that newcomers read imports what its readers will
        return imported not in ORDER or ORDER.index(imported) < ORDER.index(importer)

    assert [str(one) for one in imports() if goes_up(one)] == []


def test_modules_beside_the_layers_import_none_of_them() -> None:
    def reaches_in(one: Import) -> bool:
        if part(one.importer) not in BESIDE or part(one.module) in BESIDE:
            return False
        return not (one.importer == "floodway.limits" and one.module == "floodway._core")  # the ceilings

    assert [str(one) for one in imports() if reaches_in(one)] == []


@pytest.mark.parametrize("name", [one.name for one in stub_names() if one.kind == "class"])
def test_a_class_of_the_core_is_imported_in_one_module_its_home(name: str) -> None:
    home = next(one.home for one in stub_names() if one.name == name)
    importers = {one.importer for one in imports() if one.module == "floodway._core" and one.name == name}
    assert importers == {home}, f"the stub names {home} as the home of {name}"


@pytest.mark.parametrize("name", [one.name for one in stub_names() if one.kind in ("function", "constant")])
def test_a_function_or_constant_of_the_core_is_imported_in_one_module_too(name: str) -> None:
    importers = {one.importer for one in imports() if one.module == "floodway._core" and one.name == name}
    assert len(importers) <= 1


def test_homes_in_the_stub_exist() -> None:
    assert {one.home for one in stub_names() if one.home} - set(modules()) == set()


@pytest.mark.parametrize("crate", sorted(manifests()))
def test_a_crate_depends_only_on_the_crates_below_it(crate: str) -> None:
    manifest = manifests()[crate]
    tables = [manifest, *manifest.get("target", {}).values()]
    names = {
        name for table in tables for kind in ("dependencies", "build-dependencies") for name in table.get(kind, {})
    }
    ours = {name for name in names if name.startswith("floodway-")}
    assert ours <= CRATES[crate]


def test_the_test_kit_is_a_dependency_of_tests_only() -> None:
    assert [
        name for name, manifest in manifests().items() if "floodway-testkit" in manifest.get("dependencies", {})
    ] == []


def test_only_floodway_py_names_pyo3() -> None:
    depend = {
        name
        for name, manifest in manifests().items()
        for kind in ("dependencies", "dev-dependencies", "build-dependencies")
        if any(dependency.startswith("pyo3") for dependency in manifest.get(kind, {}))
    }
    name_it = {
        path.relative_to(path.parents[path.parts[::-1].index("crates")]).parts[1]
        for path in rust_files()
        if re.search(r"\bpyo3\b", without_comments(path.read_text(encoding="utf-8")))
    }
    assert depend | name_it == {"floodway-py"}
