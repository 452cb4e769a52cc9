"""The direction of imports: what stands left never imports what stands right of it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pyg_video

PACKAGE = Path(pyg_video.__file__).parent
ORDER = [
    ["functional"],
    ["data"],
    ["layers"],
    ["graph_builders"],
    ["backbones"],
    ["attachment", "inspection"],
    ["models"],
    ["checkpoints"],
    ["training"],
    ["evaluation"],
    ["cli"],
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
SIDE = {"datasets", "transforms", "metrics", "visualization"}  # import functional and data at most
OPTIONAL = {"skimage", "sklearn", "matplotlib", "torch_scatter", "torchcodec", "timm", "sphinx"}
LAZY = {
    "pytorch_lightning",
    "jsonargparse",
    "torchmetrics",
    "tensorboard",
    "torchvision",
    "PIL",
    "networkx",
    "av",
    "tqdm",
}


FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = Path(__file__).parent


def module_of(path):
    """Dotted name below the package; a room's ``__init__`` is the room."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imports(path, *, at_import=False):
    """Modules of the package that a file imports: anywhere in it, in a string as well, or when it is imported."""
    base = path.relative_to(PACKAGE).with_suffix("").parts[:-1]
    for node in statements(ast.parse(path.read_text()).body, at_import):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "pyg_video"):
            start = list(base[: len(base) - node.level + 1]) if node.level else []
            below = (node.module or "").split(".") if node.module else []
            start += below if node.level else below[1:]
            names = [".".join([*start, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.removeprefix("pyg_video.") for alias in node.names if "pyg_video." in alias.name]
        elif isinstance(node, ast.Call) and not at_import:
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            names = [text.removeprefix("pyg_video.") for text in texts if text.startswith("pyg_video.")]
        for name in names:
            while name and name not in MODULES:
                name = name.rpartition(".")[0]
            if name:
                yield name


def statements(body, at_import):
    """All nodes, or those that run when the module is imported."""
    for node in body:
        if not at_import:
            yield from ast.walk(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from ast.walk(node)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_left(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    rooms = {name.split(".")[0] for name in imports(path)} - {own}
    rooms = {room for room in rooms if not room.startswith("_")}
    if own in SIDE:
        assert rooms <= {"functional", "data"}
    elif own in RANK:
        assert all(room in SIDE or RANK[room] < RANK[own] for room in rooms)
    elif own != "__init__":  # _files, _checks, ...: below everything
        assert rooms == set()


def test_every_room_has_its_place():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == RANK.keys() | SIDE


def test_no_module_imports_itself_in_a_circle():
    graph = {name: {used for used in imports(path, at_import=True) if used != name} for name, path in MODULES.items()}
    for name, path in MODULES.items():
        if path.name == "__init__.py":  # a room's names come from its files
            continue
        graph[name] = {used for used in graph[name] if not name.startswith(f"{used}.")}
    done, under_way = set(), []

    def visit(name):
        assert name not in under_way, " -> ".join([*under_way[under_way.index(name) :], name])
        if name in done:
            return
        under_way.append(name)
        for used in sorted(graph[name]):
            visit(used)
        done.add(under_way.pop())

    for name in sorted(graph):
        visit(name)


def test_tests_mirror_the_tree():
    of_rooms = [path for path in TESTS.glob("*/**/test_*.py") if path.relative_to(TESTS).parts[0] in RANK.keys() | SIDE]
    missing = []
    for path in of_rooms:
        name = ".".join([*path.relative_to(TESTS).parts[:-1], path.stem.removeprefix("test_")])
        if name not in MODULES:
            missing.append(name)
    assert missing == []


def test_importing_the_package_is_silent_and_light():
    code = (
        "import sys, pyg_video\n"
        "import pyg_video.functional, pyg_video.data, pyg_video.layers, pyg_video.graph_builders, pyg_video.models\n"
        f"print(sorted({OPTIONAL} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
    assert ran.stderr == ""


def test_the_bare_import_loads_no_heavy_dependency():
    code = f"import sys, pyg_video\nprint(sorted({OPTIONAL | LAZY | {'torch', 'torch_geometric'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code, "--not-an-option"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_data_sets_and_transforms_load_no_decoder_before_they_decode():
    heavy = OPTIONAL | LAZY | {"torch_geometric"}
    code = (
        "import sys, torch\n"
        "before = set(sys.modules)\n"
        "import pyg_video.datasets, pyg_video.transforms\n"
        f"print(sorted({heavy} & (set(sys.modules) - before)))"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_public_names_are_reached_lazily():
    assert pyg_video.create_model is not None
    assert "VideoGraph" in dir(pyg_video)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pyg_video.nothing
