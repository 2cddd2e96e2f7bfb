"""Commands and their arguments."""

import pytest

from poly.press import command_line


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("build", {"stored": False, "jobs": None}),
        ("chapter 3 n=64 m=8", {"chapter": "3", "parameters": ["n=64", "m=8"]}),
        ("record 3 --dry-run --jobs 2", {"chapters": ["3"], "dry_run": True, "every": False, "jobs": 2}),
        ("register", {}),
        ("perturb", {"chapters": [], "small": False, "kept": False, "seed": None, "times": 1}),
        ("zip --stored", {"stored": True, "jobs": None}),
        ("serve", {"port": 8000}),
        ("notebook -- --no-browser", {"options": ["--no-browser"]}),
    ],
)
def test_a_command_has_its_arguments_and_their_defaults(words: str, found: dict[str, object]) -> None:
    assert vars(command_line.parser().parse_args(words.split())) == found | {"command": words.partition(" ")[0]}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("build --jobs 0", "argument --jobs: expected a whole number, 1 or more, got '0'"),
        ("perturb --seed x", "argument --seed: expected a whole number, 0 or more, got 'x'"),
        ("serve --port 65536", "argument --port: expected a port, 1 to 65535, got '65536'"),
        ("perturb --small --kept", "argument --kept: not allowed with argument --small"),
    ],
)
def test_a_wrong_argument_is_named(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        command_line.parser().parse_args(words.split())
    assert capsys.readouterr().err.endswith(f"error: {line}\n")
