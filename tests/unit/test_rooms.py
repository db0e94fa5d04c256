"""The rooms of the house keep their doors: imports point inward, and the domain has no window at all."""

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]
DOMAIN = sorted((ROOT / "domain").glob("**/*.py"))

# With these a decision could look outside: read a clock, a file, a setting, a socket, or a die.
OUTSIDE = frozenset(
    {
        "asyncio",
        "ctypes",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
CLOCKS = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter", "time_ns"})

# Keys, chains and the network are the activities' tools, handed in: a workflow that loads one could use it.
VENDORS = frozenset({"boto3", "botocore", "httpx", "websockets", "solders", "asyncpg", "fastapi", "cryptography"})


def fresh_python(program: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a program where nothing has been imported yet; modules are found in `directory`."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=120,  # it takes a second; a full machine may take many
        check=False,
    )


def test_every_contract_between_rooms_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_the_contracts_look_into_every_room() -> None:
    read = read_configuration(str(ROOT / "pyproject.toml"))
    rooms = {room.parent.name for room in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert rooms == set(read["session_options"]["root_packages"])
    assert "domain" in {source for contract in read["contracts_options"] for source in contract["source_modules"]}


def test_a_contract_that_is_broken_is_noticed(tmp_path: Path) -> None:
    for room, text in {"inner_room": "import outer_room\n", "outer_room": ""}.items():
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text(text)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_packages = ["inner_room", "outer_room"]\n[[tool.importlinter.contracts]]\n'
        'name = "inward"\ntype = "forbidden"\n'
        'source_modules = ["inner_room"]\nforbidden_modules = ["outer_room"]\n'
    )
    ended = fresh_python("import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())", tmp_path)
    assert ended.returncode == 1
    assert "inner_room is not allowed to import outer_room" in ended.stdout


def test_the_domain_knows_the_standard_library_and_pydantic_alone() -> None:
    graph = grimp.build_graph("domain", include_external_packages=True, cache_dir=None)
    outside = {module.partition(".")[0] for module in graph.modules} - {"domain"}
    assert outside - sys.stdlib_module_names <= {"pydantic"}
    assert outside & OUTSIDE == set()


def test_workflows_load_no_tool_of_their_activities() -> None:
    ended = fresh_python("import sys, workflows.execute_rule; print(*sys.modules)", ROOT)
    assert ended.returncode == 0, ended.stderr
    loaded = {module.partition(".")[0] for module in ended.stdout.split()}
    assert "domain" in loaded
    assert loaded & VENDORS == set()


@pytest.mark.parametrize("path", DOMAIN, ids=[path.name for path in DOMAIN])
def test_the_domain_reads_no_clock_and_opens_nothing(path: Path) -> None:
    asked = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert [call.attr for call in asked if isinstance(call, ast.Attribute) and call.attr in CLOCKS] == []
    assert [call.id for call in asked if isinstance(call, ast.Name) and call.id in {"open", "print", "input"}] == []


@pytest.mark.parametrize("path", DOMAIN, ids=[path.name for path in DOMAIN])
def test_the_domain_has_no_floating_point(path: Path) -> None:
    tree = list(ast.walk(ast.parse(path.read_text())))
    assert [node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, float)] == []
    assert [node.lineno for node in tree if isinstance(node, ast.Name) and node.id == "float"] == []
