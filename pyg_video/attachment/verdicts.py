"""Which reading of an output to take, by the verdicts of the probe."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .layouts import Layout
from .outputs import shown
from .probe import Reading, Verdict

_LOCAL, _LOCAL_IF_DARING = 0.6, 0.9  # least share of cells that respond most to their quarter of the frame


def best_reading(readings: Sequence[Reading], verdicts: Sequence[Verdict]) -> tuple[Reading | None, str]:
    """The reading to take, or what is wrong: of the first tensor with good ones, the one in the best order."""
    pairs = list(zip(readings, verdicts, strict=True))
    used = [(reading, verdict.local) for reading, verdict in pairs if verdict.used and verdict.moves]
    good = [(reading, local) for reading, local in used if _passes(reading, local)]
    if not any(verdict.moves for verdict in verdicts):
        return None, "features that depend on the frames (got some that stay as they are, as a position embedding"
    if not used:
        return None, "features that the output of the model depends on, by gradients (got some that change nothing"
    if not good:
        shares = " or ".join(f"{_share(local)} as {_in_words(reading)}" for reading, local in used[:3])
        return None, (
            "features in the order of the frame's rows and columns (got some of which most places respond to another "
            f"part of the frame; right are {shares}"
        )
    same = [(reading, local) for reading, local in good if reading.keys == good[0][0].keys]
    most = max((local for _, local in same if local is not None), default=None)
    if most is not None:  # the likeliest of equals
        return next(reading for reading, local in same if local is not None and local > most - 0.1), ""
    maps = [reading.layout.axes for reading, _ in same if not reading.layout.grid]
    if len(maps) > 1:
        return None, f"features that can be read in one way, or 'layouts' (got some that may be {' or '.join(maps)}"
    return same[0][0], ""


def lent_orders(
    readings: Mapping[str, Sequence[Reading]], verdicts: Mapping[str, Sequence[Verdict]]
) -> dict[str, list[Verdict]]:
    """The verdicts on modules in the order of their calls: an open order becomes that of the nearest like tokens."""
    shares: dict[Layout, dict[int, float]] = defaultdict(dict)
    for here, name in enumerate(readings):
        for reading, verdict in zip(readings[name], verdicts[name], strict=True):
            if verdict.local is not None:
                shares[reading.layout][here] = verdict.local

    def lent(here: int, reading: Reading, verdict: Verdict) -> Verdict:
        if not shares[reading.layout] or not is_open(reading, verdict):
            return verdict
        nearest = min(shares[reading.layout], key=lambda there: abs(there - here))
        return verdict._replace(local=shares[reading.layout][nearest])

    return {
        name: [lent(here, *pair) for pair in zip(several, verdicts[name], strict=True)]
        for here, (name, several) in enumerate(readings.items())
    }


def is_open(reading: Reading, verdict: Verdict) -> bool:
    """Whether these are tokens that respond to all of the frame alike, as after global attention."""
    return bool(reading.layout.grid) and verdict.local is None


def _passes(reading: Reading, local: float | None) -> bool:
    return not reading.daring if local is None else local >= (_LOCAL_IF_DARING if reading.daring else _LOCAL)


def _share(local: float | None) -> str:
    return "perhaps none" if local is None else f"{local:.0%}"


def _in_words(reading: Reading) -> str:
    axes, grid, prefix = reading.layout
    tokens = f" on {' x '.join(map(str, grid))} after {prefix}" if grid else ""
    return f"{axes}{tokens}{shown(reading.keys)}"
