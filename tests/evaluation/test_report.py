import csv
import json

import pytest
import torch
from PIL import Image

from pyg_video.evaluation import Answers, Evaluation, Score, write_evaluation
from pyg_video.evaluation.report import as_text

NAMES = [*(f"{a} and {b} move together" for a, b in ((0, 1), (0, 2), (1, 2))), "nothing moves together", "lost"]
CONFUSION = torch.tensor([[3, 1, 0, 0, 0], [0, 2, 0, 0, 0], [0, 2, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]])
PROTOCOL = {"trajectories": "a.npz", "precision": "float32 on cpu", "model": "a_model", "checkpoint": "best.ckpt"}


def evaluation():
    right, clips = CONFUSION.diagonal().tolist(), CONFUSION.sum(1).tolist()
    pairs = [(i, j) for i in range(5) for j in range(5) for _ in range(int(CONFUSION[i, j]))]
    target, label = torch.tensor(pairs).T
    answers = Answers(target, label, torch.full((10,), 0.75))
    per_class = {name: Score(r, c) for name, r, c in zip(NAMES, right, clips, strict=True)}
    return Evaluation(Score(7, 10), Score(9, 10), per_class, CONFUSION, answers, PROTOCOL)


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_text_has_the_numbers_the_extremes_and_the_protocol():
    lines = as_text(evaluation()).splitlines()
    assert lines[0] == "top-1  70.0 % ± 14.5 %  (7 of 10 clips)"
    assert lines[1] == "top-5  90.0 % ± 9.5 %  (9 of 10 clips)"
    assert [line.split()[0] for line in lines[3:7]] == ["best", "best", "worst", "worst"]
    assert lines[5].startswith("worst  1 & 2")
    assert "1 of 5 classes have no clip" in lines
    for value in PROTOCOL.values():
        assert any(line.endswith(f"  {value}") for line in lines)


def test_no_class_is_both_among_the_best_and_the_worst():
    lines = as_text(evaluation()).splitlines()
    shown = [line[7:14] for line in lines if line.startswith(("best", "worst"))]
    assert len(shown) == len(set(shown))


def test_all_that_is_written_is_listed(tmp_path):
    written = write_evaluation(evaluation(), tmp_path / "new" / "folder")
    names = ["scores.json", "per_class.csv", "confusion.csv", "confusion.png", "predictions.csv"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(names)


def test_the_scores_are_written_with_the_protocol(tmp_path):
    write_evaluation(evaluation(), tmp_path)
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["top1"]["accuracy"] == 0.7
    assert round(record["top1"]["standard_error"], 3) == 0.145
    assert record["protocol"] == PROTOCOL


def test_whole_videos_are_told_and_written(tmp_path):
    found = evaluation()._replace(whole=Score(3, 4))
    assert "\nwhole  75.0 % ± 21.7 %  (3 of 4 videos, by the mean over their parts)\n" in as_text(found)
    write_evaluation(found, tmp_path)
    assert json.loads((tmp_path / "scores.json").read_text())["whole"]["right"] == 3


def test_a_class_a_row(tmp_path):
    write_evaluation(evaluation(), tmp_path)
    table = rows(tmp_path / "per_class.csv")
    assert [row["name"] for row in table] == NAMES
    assert (table[0]["clips"], table[0]["right"], table[0]["accuracy"]) == ("4", "3", "0.750000")
    assert (table[4]["clips"], table[4]["accuracy"]) == ("0", "")


def test_a_clip_a_row(tmp_path):
    write_evaluation(evaluation(), tmp_path)
    table = rows(tmp_path / "predictions.csv")
    assert len(table) == 10
    assert table[3] == {"clip": "3", "target": "0", "label": "1", "probability": "0.750000", "name": NAMES[1]}


def test_the_confusion_table_is_in_the_order_of_the_words(tmp_path):
    write_evaluation(evaluation(), tmp_path)
    table = rows(tmp_path / "confusion.csv")
    assert [row["truth"] for row in table] == [
        "0 & 1",
        "0 & 2",
        "1 & 2",
        "lost",
        "nothing",
    ]  # in the order of the words
    assert table[2] == {"truth": "1 & 2", "0 & 1": "0", "0 & 2": "2", "1 & 2": "1", "lost": "0", "nothing": "0"}
    assert table[4]["nothing"] == "1"
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.format == "PNG"


def test_a_failed_picture_leaves_the_earlier_file(tmp_path, monkeypatch):
    from pyg_video.evaluation import report as evaluation_report

    write_evaluation(evaluation(), tmp_path)
    before = (tmp_path / "predictions.csv").read_bytes()
    monkeypatch.setattr(evaluation_report, "_clip_rows", lambda evaluation: iter(1 / 0 for _ in "x"))
    with pytest.raises(ZeroDivisionError):
        write_evaluation(evaluation(), tmp_path)
    assert (tmp_path / "predictions.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 5


def test_names_of_classes_cannot_write_to_the_terminal_or_a_spreadsheet(tmp_path):
    odd = evaluation()
    names = {"=HYPERLINK(1)": odd.per_class[NAMES[0]], "\x1b[2Jgone": odd.per_class[NAMES[1]]}
    odd = odd._replace(per_class=names | {name: odd.per_class[name] for name in NAMES[2:]})
    assert "\x1b" not in as_text(odd)
    write_evaluation(odd, tmp_path)
    for table in tmp_path.glob("*.csv"):
        assert "\x1b" not in table.read_text()
        assert not any(field.startswith("=") for line in csv.reader(table.read_text().splitlines()) for field in line)
