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


def imports(path):
    """Top-level parts of pyg_video that a file imports anywhere in it, by name in a string as well."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            for name in (arg.value for arg in ast.walk(node) if isinstance(arg, ast.Constant)):
                yield from [str(name).split(".")[1]] if str(name).startswith("pyg_video.") else []
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            base = parts[: len(parts) - node.level]
            names = [*base, *node.module.split(".")] if node.module else list(base)
            yield from [names[0]] if names else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pyg_video":
            yield (node.module.split(".") + [alias.name for alias in node.names])[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("pyg_video."))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_left(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    used = set(imports(path)) - {own}
    rooms = used & (RANK.keys() | SIDE)
    if own in SIDE:
        assert rooms <= {"functional", "data"}
    elif own in RANK:
        assert all(name in SIDE or RANK[name] < RANK[own] for name in rooms)
    elif own != "__init__":  # _files, _checks, ...: below everything
        assert all(name.startswith("_") for name in used)


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
