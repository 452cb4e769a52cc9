"""``pyg-video prepare``: is the download whole?"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from .._extras import need
from ..datasets import prepare
from ..datasets.something.lists import SPLITS, VERSIONS
from .evaluate import USER_ERRORS, in_one_line

__all__ = ["USER_ERRORS", "in_one_line", "run"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; --help lists all options")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 2 if a video is missing or damaged. Mistakes come as :data:`USER_ERRORS`."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = _Parser(
        prog="pyg-video prepare",
        description="Decode every video of Something-Something once. What is missing, truncated or damaged is listed "
        "in <root>/pyg-video-problems-<version>.csv; <root>/pyg-video-index-<version>.json keeps the numbers of "
        "frames, which the data set reads. A second run goes on where the first was stopped. "
        "Exit code 0: all videos are whole; 2: some are not; 130: stopped by Ctrl-C.",
    )
    parser.add_argument("--root", required=True, help="folder of the download, see docs/something_something.md")
    parser.add_argument("--version", choices=VERSIONS, default="v2", help="of the data set (default: v2)")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS), help="(default: all)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    options = parser.parse_args(given[1:])
    tqdm = need("tqdm", "train").tqdm
    with tqdm(unit=" videos", disable=None, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            report = prepare(options.root, options.version, options.splits, workers=options.workers, progress=progress)
        except KeyboardInterrupt:
            print("\nStopped; the next run goes on from here.", file=sys.stderr)
            return 130
    print(report.summary())
    return 2 if report.problems else 0
