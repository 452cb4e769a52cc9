import gzip
import io
import tarfile

import pytest
import torch

from pyg_video.datasets import VideoFileError, VideoFolder, decode_frames, probe_video
from pyg_video.datasets.video.shards import found, locate, names_in


def pack(shard, folder, **names):
    """Write files of a folder into a shard, all of them under their names, or those given under others."""
    with tarfile.open(shard, "w") as archive:
        for name in names or sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")):
            archive.add(folder / name, arcname=names.get(name, name))
    return shard


@pytest.fixture
def folder(tmp_path, make_video):
    for number, name in enumerate(("cat/a.mp4", "cat/b.mp4", "dog/c.mp4", "dog/d.mp4")):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make_video(path, 6 + 3 * number, codec="libx264")
    return tmp_path / "videos"


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", "mp4"), ("libvpx", "webm"), ("mpeg4", "avi"), ("mpeg2video", "ts")]
)
def test_a_video_in_a_shard_is_the_video(codec, suffix, tmp_path, make_video):
    path = make_video(tmp_path / f"a.{suffix}", 12, codec=codec, rate=25)
    shard = pack(tmp_path / "12:30,,:0.tar", tmp_path, **{path.name: f"deep/{path.name}"})
    inside = shard / "deep" / path.name
    assert probe_video(inside) == probe_video(path)
    numbers = [7, 0, 11, 7]
    assert torch.equal(decode_frames(inside, numbers), decode_frames(path, numbers))


def test_folders_in_shards_are_folders(folder, tmp_path):
    (tmp_path / "shards").mkdir()
    pack(tmp_path / "shards" / "0.tar", folder, **{name: f"./{name}" for name in ("cat/a.mp4", "dog/c.mp4")})
    pack(tmp_path / "shards" / "1.tar", folder, **{name: name for name in ("cat/b.mp4", "dog/d.mp4")})
    plain, packed = (VideoFolder(root, "train", num_frames=3) for root in (folder, tmp_path / "shards"))
    assert packed.ids == [f"{'0' if name[4] in 'ac' else '1'}.tar/{name}" for name in plain.ids]
    assert packed.labels == plain.labels
    for k in range(len(plain)):  # sampled at random, by the number of the video
        assert torch.equal(packed[2, k].video, plain[2, k].video)
    whole = pack(tmp_path / "all.tar", folder)
    assert VideoFolder(whole, None, num_frames=2).labels == [0, 0, 1, 1]


def test_classes_beside_videos_as_webdataset_has_them(folder, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "x").mkdir()
    with tarfile.open(tmp_path / "train" / "0.tar", "w") as archive:
        for key, name, label in (
            ("00", "cat/a.mp4", b"7\n"),
            ("01", "dog/c.mp4", b"../etc"),
            ("02", "dog/d.mp4", b"7"),
        ):
            archive.add(folder / name, arcname=f"{key}.mp4")
            info = tarfile.TarInfo(f"{key}.cls")
            info.size = len(label)
            archive.addfile(info, io.BytesIO(label))
    videos = VideoFolder(tmp_path / "train", None, num_frames=2)
    named = {name: videos.label_names[label] for name, label in zip(videos.ids, videos.labels, strict=True)}
    assert named == {"0.tar/00.mp4": "7", "0.tar/01.mp4": "../etc", "0.tar/02.mp4": "7"}


def test_a_list_names_videos_in_shards(folder, tmp_path):
    pack(tmp_path / "0.tar", folder)
    (tmp_path / "list.csv").write_text("path,label\n0.tar/cat/a.mp4,x\n0.tar/dog/c.mp4,y\n0.tar/none.mp4,y\n")
    with pytest.raises(VideoFileError, match=r"0.tar/none.mp4"):
        VideoFolder(tmp_path / "list.csv", None)
    with pytest.warns(UserWarning, match=r"none.mp4"):
        assert len(VideoFolder(tmp_path / "list.csv", None, on_error="skip")) == 2


def test_shards_that_cannot_be_read_are_named(folder, tmp_path):
    whole = pack(tmp_path / "0.tar", folder)
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[: found(whole / "dog/d.mp4").start + 100])
    with pytest.raises(VideoFileError, match=r"'.*cut.tar' .got no whole tar file: unexpected end"):
        names_in(cut)
    packed = tmp_path / "gz.tar"
    packed.write_bytes(gzip.compress(whole.read_bytes()))
    for read in (names_in, lambda shard: VideoFolder(shard), lambda shard: locate(shard / "cat/a.mp4")):
        with pytest.raises(VideoFileError, match=r"'.*gz.tar' .got no whole tar file.*write it again, uncompressed"):
            read(packed)


def test_a_shard_opens_nothing_but_its_own_bytes(folder, tmp_path):
    secret = tmp_path / "secret.mp4"
    (folder / "cat/a.mp4").rename(secret)
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        archive.add(folder / "cat/b.mp4", arcname="cat/../../secret.mp4")
        for name, kind in (("cat/link.mp4", tarfile.SYMTYPE), ("cat/hard.mp4", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
    assert locate(tmp_path / "0.tar" / "cat" / "link.mp4") is None
    assert locate(tmp_path / "0.tar" / "cat" / "hard.mp4") is None
    assert names_in(tmp_path / "0.tar") == []


def test_a_changed_shard_is_listed_again(folder, tmp_path):
    shard = pack(tmp_path / "0.tar", folder, **{"cat/a.mp4": "a.mp4"})
    assert names_in(shard) == ["a.mp4"]
    pack(shard, folder, **{"cat/a.mp4": "a.mp4", "dog/c.mp4": "c.mp4"})
    assert names_in(shard) == ["a.mp4", "c.mp4"]


def test_a_part_is_a_file(folder, tmp_path):
    shard = pack(tmp_path / "0.tar", folder)
    content = (folder / "cat/b.mp4").read_bytes()
    with found(shard / "cat/b.mp4").open() as file:
        assert file.read() == content
        assert file.seek(-5, 2) == len(content) - 5
        assert (file.read(9), file.tell()) == (content[-5:], len(content))
        file.seek(3)
        file.seek(2, 1)
        assert file.read(4) == content[5:9]
