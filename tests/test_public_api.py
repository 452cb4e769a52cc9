"""The public names, with their arguments, are those of ``public_api.txt``.

``python tests/test_public_api.py`` writes the file; its change shows in review what users will notice.
"""

import importlib
import inspect
from pathlib import Path

import pyg_video

LIST = Path(__file__).parent / "public_api.txt"
PACKAGES = sorted(
    path.parent.name for path in Path(pyg_video.__file__).parent.glob("*/__init__.py") if path.parent.name != "cli"
)


def names_of(module):
    return [name for name in module.__all__ if not name.startswith("__")]


def arguments(value):
    """Names of a callable's arguments, with ``=`` where they have defaults and ``*`` before those by keyword only."""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ""
    shown, marked = [], False
    for parameter in parameters:
        if parameter.name == "self" or (parameter.name.startswith("_") and parameter.default is not parameter.empty):
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            marked = True
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            shown.append("*")
            marked = True
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        shown.append(star + parameter.name + "=" * (parameter.default is not parameter.empty))
    return f"({', '.join(shown)})"


def described(owner, name, value):
    """Lines about a public name: itself, and for a class of ours its public methods."""
    full = f"{owner}.{name}"
    if not callable(value) or not getattr(value, "__module__", "").startswith("pyg_video"):
        return [full]
    lines = [full + arguments(value)]
    if inspect.isclass(value):
        for method, function in sorted(vars(value).items()):
            function = getattr(function, "__func__", function)
            ours = getattr(function, "__module__", "") == value.__module__  # PyG writes others when a layer is made
            if inspect.isfunction(function) and ours and not method.startswith("_"):
                lines.append(f"{full}.{method}{arguments(function)}")
    return lines


def public_api():
    lines = []
    for package in ("", *PACKAGES):
        module = importlib.import_module(f"pyg_video.{package}".rstrip("."))
        for name in sorted(names_of(module)):
            lines += described(module.__name__, name, getattr(module, name))
    return lines


def test_the_public_names_are_those_of_the_list():
    listed = LIST.read_text().splitlines()
    change = {"+" + line for line in set(public_api()) - set(listed)} | {
        "-" + line for line in set(listed) - set(public_api())
    }
    assert change == set(), "run `python tests/test_public_api.py` and name the change in CHANGELOG.md"


def test_every_package_lists_its_names():
    for package in PACKAGES:
        module = importlib.import_module(f"pyg_video.{package}")
        assert len(set(module.__all__)) == len(module.__all__)
        assert set(module.__all__) <= set(dir(module))


if __name__ == "__main__":
    LIST.write_text("\n".join(public_api()) + "\n")
