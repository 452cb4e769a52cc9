import json

import pytest

from pyg_video.datasets.something.lists import VideoRecord, read_labels, read_records, video_path


def test_v2_labels_are_numbered_by_their_list(something_v2):
    names = read_labels(something_v2, "v2")
    assert len(names) == 174
    assert names[93] == "Pushing something from left to right"


def test_v1_labels_are_numbered_in_alphabetical_order(something_v1):
    names = read_labels(something_v1, "v1")
    assert len(names) == 174
    assert list(names) == sorted(names)
    assert names[0] == "Doing something of kind 000"


def test_v2_records_have_the_filled_in_template(something_v2):
    names = read_labels(something_v2, "v2")
    record = read_records(something_v2, "v2", "train", names)[0]
    assert record == VideoRecord("100", 93, "pushing cup from left to right", ("cup",))
    assert [len(read_records(something_v2, "v2", split, names)) for split in ("train", "val", "test")] == [6, 3, 1]


@pytest.mark.parametrize("template", ["Holding [something]", "Stacking [number of] [something]"])
def test_placeholders_in_brackets_name_the_class(tmp_path, template):
    name = template.replace("[", "").replace("]", "")
    (tmp_path / "something-something-v2-train.json").write_text(json.dumps([{"id": 7, "template": template}]))
    assert read_records(tmp_path, "v2", "train", ["Other", name]) == [VideoRecord("7", 1)]


def test_v1_records(something_v1):
    names = read_labels(something_v1, "v1")
    first = read_records(something_v1, "v1", "train", names)[0]
    assert (first.id, names[first.label]) == ("100", "Pushing something from left to right")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_test_videos_have_no_label(request, version):
    root = request.getfixturevalue(f"something_{version}")
    assert read_records(root, version, "test", read_labels(root, version)) == [VideoRecord("109", -1)]


def test_the_answers_of_the_later_download_are_the_labels_of_the_test_split(something_v2):
    names = read_labels(something_v2, "v2")
    answers = something_v2 / "labels" / "test-answers.csv"
    answers.parent.mkdir()
    answers.write_text(f"7;{names[3]}\n109;{names[94]}\n")
    assert read_records(something_v2, "v2", "test", names) == [VideoRecord("109", 94)]
    answers.write_text(f"7;{names[3]}\n")
    assert read_records(something_v2, "v2", "test", names) == [VideoRecord("109", -1)]
    answers.write_text("109;Doing nothing\n")
    with pytest.raises(ValueError, match=r"test-answers.csv' .got no 'Doing nothing'"):
        read_records(something_v2, "v2", "test", names)


@pytest.mark.parametrize("name", ["{}", "something-something-v2-{}"])
def test_lists_may_lie_in_a_folder_of_their_own(something_v2, name):
    (something_v2 / "labels").mkdir()
    before = read_labels(something_v2, "v2")
    for kind in ("train", "labels"):
        source = something_v2 / f"something-something-v2-{kind}.json"
        source.rename(something_v2 / "labels" / f"{name.format(kind)}.json")
    assert read_labels(something_v2, "v2") == before
    assert len(read_records(something_v2, "v2", "train", before)) == 6


def test_where_videos_lie():
    assert str(video_path("root", "v1", "7")) == "root/20bn-something-something-v1/7"
    assert str(video_path("root", "v2", "7")) == "root/20bn-something-something-v2/7.webm"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "Expecting property name"),
        ("{}", "which is no list"),
        ("[]", "no video"),
        (10**5 * "[", "recursion"),
        ('[{"template": "Holding [something]"}]', "no 'id'"),
        ('[{"id": null, "template": "Holding [something]"}]', "None, which is no str or int"),
        ('[{"id": "7", "template": 8}]', "expected string"),
        ('[{"id": "7", "template": ["Holding [something]"]}]', "expected string"),
        ('[{"id": "7", "template": "Holding [something]", "label": 0.9}]', "0.9, which is no str"),
        ('[{"id": "7", "template": "Holding [something]", "placeholders": "pen"}]', "'pen', which is no list"),
        ('[{"id": "7", "template": "Juggling [something]"}]', "Juggling something"),
        ("[7]", "7, which is no dict"),
        ("\ud800", "can't decode"),
    ],
)
def test_damaged_lists_are_named(tmp_path, content, message):
    path = tmp_path / "something-something-v2-train.json"
    path.write_text(content, errors="surrogatepass")
    with pytest.raises(ValueError, match=rf"Expected ids and classes of .* in '{path}' \(got .*{message}"):
        read_records(tmp_path, "v2", "train", ["Holding something"])


def test_over_long_fields_are_named(tmp_path):
    path = tmp_path / "something-something-v1-train.csv"
    path.write_text("7;" + 200_000 * "a")
    with pytest.raises(ValueError, match=rf"'{path}' \(got field larger than"):
        read_records(tmp_path, "v1", "train", ["Holding something"])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("2", "labels other than 0 to 1"),
        (0.9, "0.9, which is no str or int"),
        (None, "None, which"),
        ("a", "invalid literal"),
    ],
)
def test_labels_that_do_not_number_the_classes_are_refused(tmp_path, second, message):
    path = tmp_path / "something-something-v2-labels.json"
    path.write_text(json.dumps({"Holding something": "0", "Folding something": second}))
    with pytest.raises(ValueError, match=rf"Expected the classes of .* in '{path}' \(got .*{message}"):
        read_labels(tmp_path, "v2")


def test_a_missing_download_and_wrong_options_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"with something-something-v2-labels.json .got"):
        read_labels(tmp_path, "v2")
    with pytest.raises(ValueError, match="'version' to be one of 'v1', 'v2'"):
        read_labels(tmp_path, "v3")
    with pytest.raises(ValueError, match="'split' to be one of"):
        read_records(tmp_path, "v2", "validation", [])
