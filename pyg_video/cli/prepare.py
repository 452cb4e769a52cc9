"""The command ``pyg-video prepare``: checks a download of Something-Something."""

import sys
from collections.abc import Sequence

from .._extras import need
from ..datasets import prepare
from ..datasets.something.lists import SPLITS, VERSIONS
from ..datasets.video.reading import ON_CORRUPT
from .parsing import make_parser

_DESCRIPTION = """\
Decode every video of Something-Something once.

Missing, truncated and damaged videos are listed in <root>/pyg-video-problems-<version>.csv;
<root>/pyg-video-index-<version>.json keeps the numbers of frames, which the data set reads. An interrupted run resumes
when it is started again. Exit code 0: all videos are whole; 2: some are not; 130: stopped by Ctrl-C.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command, the first of ``arguments``, and return the exit code."""
    parser = make_parser("pyg-video prepare", _DESCRIPTION)
    add = parser.add_argument
    add("--root", required=True, help="folder of the download, see docs/something_something.md")
    add("--version", choices=VERSIONS, default="v2", help="of the data set (default: v2)")
    add("--splits", nargs="+", choices=SPLITS, default=list(SPLITS), help="(default: all)")
    text = "damaged frames are a problem (raise, the default), listed only (warn), or no matter (skip)"
    add("--on-corrupt", choices=ON_CORRUPT, default="raise", help=text)
    add("--workers", type=int, default=1, help="processes (default: 1)")
    options = parser.parse_args(arguments[1:])
    tqdm = need("tqdm", "train").tqdm
    with tqdm(unit=" videos", disable=None, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            report = prepare(
                options.root,
                options.version,
                options.splits,
                on_corrupt=options.on_corrupt,
                workers=options.workers,
                progress=progress,
            )
        except KeyboardInterrupt:
            print("\nStopped; the next run resumes from here.", file=sys.stderr)
            return 130
    print(report.summary())
    return 2 if report.problems else 0
