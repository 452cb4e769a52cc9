"""The command ``pyg-video prepare``: checks videos of your own, or a download of Something-Something."""

import sys
from collections.abc import Sequence
from pathlib import Path

from .._extras import need
from ..datasets import prepare, prepare_folder
from ..datasets.something.lists import SPLITS, VERSIONS
from ..datasets.video.reading import ON_CORRUPT
from .parsing import make_parser

_DESCRIPTION = """\
Decode every video of a data set once.

  pyg-video prepare --root videos                       a folder videos/CLASS/NAME.mp4, a list or a shard
  pyg-video prepare --root something_v2 --version v2    a download of Something-Something

Missing, truncated and damaged videos are listed in pyg-video-problems-*.csv, in the folder or beside the list. What is
known of each video is kept in pyg-video-index-*.json, which the data sets read. An interrupted run resumes when it is
started again. Exit code 0: all videos are whole; 2: some are not; 130: stopped by Ctrl-C.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command, the first of ``arguments``, and return the exit code."""
    parser = make_parser("pyg-video prepare", _DESCRIPTION)
    add = parser.add_argument
    add("--root", required=True, help="folder, list or shard of videos, or folder of a download of Something-Something")
    add("--version", choices=VERSIONS, help="of Something-Something (default: videos of your own)")
    add("--splits", nargs="+", choices=SPLITS, help="of Something-Something (default: all)")
    text = "damaged frames are a problem (raise, the default), listed only (warn), or no matter (skip)"
    add("--on-corrupt", choices=ON_CORRUPT, default="raise", help=text)
    add("--workers", type=int, default=1, help="processes (default: 1)")
    options = parser.parse_args(arguments[1:])
    if options.splits and not options.version:
        raise ValueError(f"Expected '--splits' with --version (got {' '.join(options.splits)} alone); give both")
    if not options.version and any(Path(options.root).glob("*something-something-v*")):
        raise ValueError(f"Expected '--version' v1 or v2 for Something-Something in '{options.root}' (got none)")
    how = {"on_corrupt": options.on_corrupt, "workers": options.workers}
    tqdm = need("tqdm", "train").tqdm
    with tqdm(unit=" videos", disable=None, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            if options.version:
                report = prepare(options.root, options.version, options.splits or SPLITS, **how, progress=progress)
            else:
                report = prepare_folder(options.root, **how, progress=progress)
        except KeyboardInterrupt:
            print("\nStopped; the next run resumes from here.", file=sys.stderr)
            return 130
    print(report.summary())
    return 2 if report.problems else 0
