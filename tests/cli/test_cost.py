import pytest

from pyg_video.cli.main import main


@pytest.fixture
def command(capsys):
    """Runs ``pyg-video``; gives the exit code and what it printed to stdout and stderr."""

    def run(*arguments):
        code = main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return run


def test_cost(command):
    code, printed, _ = command("cost", "--model", "dyreg_gnn_sync_mnist", "--frames", "10", "--runs", "2")
    assert code == 0
    lines = printed.splitlines()
    assert lines[0] == "dyreg_gnn_sync_mnist on one clip of 10 frames, 1 x 64 x 64"
    numbers = [int(line.split()[-1].replace(",", "")) for line in lines[1:6]]
    assert numbers[:2] == [1_068_870, sum(numbers[2:])]
    assert [line[:20].strip() for line in lines[3:6]] == ["backbone", "region prediction", "graph"]
    assert "median of 2 runs on " in lines[6]


def test_cost_of_a_model_with_options(command):
    options = ["channels=[4, 4]", "strides=[2,2]", "readout=last"]
    arguments = ["--model", "cnn_sync_mnist", "--frames", "3", "--size", "16", "--runs", "0"]
    code, printed, _ = command("cost", *arguments, "--options", *options)
    assert code == 0
    assert "latency" not in printed
    # two convolutions, then per frame an LSTM, then the classifier
    macs = 3 * (8 * 8 * 4 * 9 + 4 * 4 * 4 * 4 * 9) + 3 * 4 * 4 * 8 + 4 * 46
    assert f"multiply-adds {macs:>23,}" in printed


def test_cost_of_a_model_of_torchvision_with_a_block(command):
    options = ["factory=resnet18", 'blocks={"layer3": "dyreg_block"}', "num_classes=5"]
    code, printed, _ = command("cost", "--model", "foreign_model", "--options", *options,
                               "--frames", "2", "--size", "64", "--runs", "0")  # fmt: skip
    assert code == 0
    assert printed.startswith("foreign_model on one clip of 2 frames, 3 x 64 x 64")
    assert all(int(line.split()[-1].replace(",", "")) > 0 for line in printed.splitlines()[3:6])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--model", "dyreg_gnn_sync_mnst"], "did you mean 'dyreg_gnn_sync_mnist'"),
        (["--model", "cnn_sync_mnist", "--options", "channel=[4]"], "did you mean 'channels'"),
        (["--model", "cnn_sync_mnist", "--options", "channels"], "'--options' as name=value (got 'channels')"),
        (["--model", "cnn_sync_mnist", "--frames", "0"], "'video_shape'"),
        (["--model", "cnn_sync_mnist", "--size", "2"], "'frame_size' of at least 4 pixels"),
        (["--model", "cnn_sync_mnist", "--frames", "1000000"], "a clip of at most 536,870,912 pixels (got 1,000,000"),
        (["--model", "cnn_sync_mnist", "--options", "channels=[1000000000000000, 1, 1]"], "Expected enough memory"),
        (
            ["--model", "foreign_model", "--options", "weights=README.md"],
            "Expected weights of resnet18 (got 'README.md'",
        ),
        ([], "required: --model; pyg-video cost --help"),
    ],
)
def test_mistakes_about_cost_end_in_one_line(command, arguments, named):
    code, _, error = command("cost", *arguments)
    assert (code, error.count("\n")) == (2, 1), error
    assert named in error
