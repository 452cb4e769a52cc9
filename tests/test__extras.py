"""What the core does without the extras, and what it says where one is needed."""

import ast
import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyg_video
from pyg_video._extras import need
from pyg_video.checkpoints import shipped_checkpoint

PACKAGE = Path(pyg_video.__file__).parent
ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
MODULES = {  # of packages that have another name
    "pytorch-lightning": ["pytorch_lightning", "lightning_fabric"],
    "jsonargparse[signatures]": ["jsonargparse"],
    "pyyaml": ["yaml"],
    "scikit-image": ["skimage"],
    "scikit-learn": ["sklearn", "threadpoolctl"],
}
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
EXTRAS = {}
for extra, text in SETUP["options.extras_require"].items():
    names = [re.split("[<>=]", line)[0] for line in text.split()]
    EXTRAS[extra] = {module for name in names for module in MODULES.get(name, [name])}
OPTIONAL = ("train", "video", "timm", "torchcodec", "plots", "hub", "superpixels")
BLOCKED = set.union(*(EXTRAS[extra] for extra in OPTIONAL))
WITHOUT = f"""
import contextlib, io, json, sys, warnings
warnings.simplefilter("ignore")
import torch, torchvision, torch_geometric  # they use some of the packages, if they are there

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(BLOCKED)}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
for name in [name for name in sys.modules if name.partition(".")[0] in {sorted(BLOCKED)}]:
    del sys.modules[name]

def said(code):
    try:
        exec(code)
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
    return "nothing"

def answer(arguments):
    from pyg_video.cli.main import main
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()
"""
USE = """
from pyg_video.checkpoints import load_model, save_model, shipped_checkpoint
from pyg_video.datasets import SyncMNIST
from pyg_video.visualization import draw_boxes, save_gif
clip = SyncMNIST(num_frames=2, frame_size=40).batch([0])
model = load_model(save_model(load_model(shipped_checkpoint("dyreg_gnn_small")), "again.safetensors")).train()
model(clip.video).sum().backward()
save_gif("clip.gif", draw_boxes(clip.video[0], clip.box[0]))
"""
ASKED = {
    "from pyg_video.training import VideoClassification": "train",
    "from pyg_video.training import SyncMNISTData": "train",
    "from pyg_video.metrics import RegionCoverage": "train",
    "from pyg_video.evaluation import configured_clips; configured_clips('run.yaml')": "train",
    "from pyg_video.datasets import probe_video; probe_video('clip.mp4')": "video",
    "from pyg_video.datasets import decode_frames; decode_frames('clip.mp4', [0])": "video",
    "from pyg_video.datasets import decode_frames; decode_frames('', [0], backend='torchcodec')": "torchcodec",
    "from pyg_video.visualization import save_mp4; save_mp4('a.mp4', torch.rand(2, 1, 4, 4))": "video",
    "from pyg_video.visualization import plot_curves; plot_curves({'a': ([1], [0.5])}, 'a.png')": "plots",
    "from pyg_video.checkpoints import load_model; load_model('someone/some-model')": "hub",
}
COMMANDS = {
    "version": ["--version"],
    "help": ["--help"],
    "cost": ["cost", "--model", "cnn_sync_mnist", "--runs", "0"],
    "fit": ["fit", "--config", "run.yaml"],
    "predict": ["predict", "clip.mp4", "--checkpoint", str(shipped_checkpoint("cnn_small"))],
}


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """What a Python without the extras answers."""
    folder = tmp_path_factory.mktemp("core")
    (folder / "run.yaml").write_text("data: {}")
    (folder / "clip.mp4").write_bytes(b"video")
    code = f"""
print(json.dumps({{
    "rooms": {{room: said(f"import pyg_video.{{room}}") for room in {ROOMS}}},
    "use": said({USE!r}),
    "asked": {{code: said(code) for code in {list(ASKED)}}},
    "commands": {{name: answer(arguments) for name, arguments in {COMMANDS}.items()}},
}}))"""
    ran = subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout) | {"files": sorted(path.name for path in folder.iterdir())}


def test_a_module_that_is_there_is_given():
    assert need("json", "train") is json


def test_a_missing_module_is_answered_with_the_line_to_type():
    with pytest.raises(ModuleNotFoundError, match=r"""'nowhere.at.all' \(got none\); .*: pip install "\.\[plots\]"$"""):
        need("nowhere.at.all", "plots")


def test_every_room_is_imported_by_the_core_alone(core):
    assert len(core["rooms"]) > 10
    assert set(core["rooms"].values()) == {"nothing"}, core["rooms"]


def test_the_core_alone_makes_loads_trains_and_draws(core):
    assert core["use"] == "nothing"
    assert core["files"] == ["again.safetensors", "clip.gif", "clip.mp4", "run.yaml"]


@pytest.mark.parametrize("code", ASKED)
def test_what_needs_an_extra_names_the_line_to_type(core, code):
    line = rf"""ModuleNotFoundError: Expected .*; from a checkout: pip install "\.\[{ASKED[code]}\]\""""
    assert re.fullmatch(line, core["asked"][code])


@pytest.mark.parametrize(
    ("command", "code", "stdout", "stderr"),
    [
        ("version", 0, f"pyg-video {pyg_video.__version__}\n", ""),
        ("help", 0, "usage: pyg-video .*", ""),
        ("cost", 0, "cnn_sync_mnist on one clip of 16 frames, .*", ""),
        ("fit", 2, "", r"""pyg-video: error: Expected the package that has .*: pip install "\.\[train\]"\n"""),
        ("predict", 2, "", r"""pyg-video: error: Expected the package that has 'av' .*: pip install "\.\[video\]"\n"""),
    ],
)
def test_the_command_line_needs_the_extras_only_where_it_uses_them(core, command, code, stdout, stderr):
    got = core["commands"][command]
    assert got[0] == code
    assert re.fullmatch(stdout, got[1], re.DOTALL)
    assert re.fullmatch(stderr, got[2])


def test_every_extra_that_an_error_names_brings_the_module():
    asked = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "need":
                arguments = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                asked |= {tuple(arguments)} if len(arguments) == 2 else set()
    asked = {(module.partition(".")[0], extra) for module, extra in asked}
    assert len(asked) > 8
    assert {(module, extra) for module, extra in asked if module not in EXTRAS[extra] | {"pyg_video"}} == set()


def test_nothing_advises_a_package_index():
    pages = [*PACKAGE.rglob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.yaml")]
    wrong = re.compile(r"pyg[-_]video\[|pip install ['\"]?pyg|pypi\.org/project/pyg")
    assert [str(page.relative_to(ROOT)) for page in pages if wrong.search(page.read_text())] == []
