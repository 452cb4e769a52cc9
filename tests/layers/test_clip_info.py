import subprocess
import sys

from torch import nn

from pyg_video.graph_builders import BoxGraph, GridGraph
from pyg_video.layers import GraphBlock, TemporalRNN, accepted_info, taken_by


class Named(nn.Module):
    def forward(self, x, lengths=None, box=None):
        return x


class Wrapper(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


def test_a_part_takes_what_its_forward_names():
    info = {"lengths": 1, "box": 2, "mask": None, "hint": 3}
    assert taken_by(Named(), info) == {"lengths": 1, "box": 2}
    assert taken_by(nn.Identity(), info) == {}
    assert taken_by(TemporalRNN(4), info) == {"lengths": 1}


def test_builders_blocks_and_sequences_name_what_their_parts_take():
    assert accepted_info(GridGraph(4)) == {"lengths"}
    assert accepted_info(BoxGraph(4)) == {"lengths", "box", "mask"}
    assert accepted_info(GraphBlock(4, BoxGraph(4), nn.Identity())) == {"lengths", "box", "mask"}
    assert accepted_info(nn.Sequential(nn.Identity(), BoxGraph(4))) == {"lengths", "box", "mask"}


def test_a_wrapper_of_any_keyword_takes_everything_and_data_parallel_what_it_wraps():
    info = {"lengths": 1, "hint": 2}
    assert taken_by(Wrapper(Named()), info) == info
    assert taken_by(nn.DataParallel(Named()), info) == {"lengths": 1}


def test_a_model_compiles_before_it_ever_ran():
    code = (
        "import torch\n"
        "from pyg_video.backbones import NonLocal, SmallCNN, insert_block\n"
        "net = SmallCNN(1, (4,), (2,)).eval()\n"
        "insert_block(net, 'stage1', NonLocal(4))\n"
        "x = torch.rand(1, 2, 1, 8, 8)\n"
        "print(torch.allclose(torch.compile(net, backend='eager', fullgraph=True)(x), net(x)))"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "True"
