"""`.env` is read as Compose reads it, and the environment wins."""

from pathlib import Path

import pytest

from rig import dotenv


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A = 1 ", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A= # nothing", {"A": ""}),
        ("A=b # c", {"A": "b"}),
        ("A=b#c", {"A": "b#c"}),
        ("A='b # c'", {"A": "b # c"}),
        ('A="b" # c', {"A": "b"}),
        ("A=b=c", {"A": "b=c"}),
        ("# A=1", {}),
        ("nonsense", {}),
    ],
)
def test_a_line(line: str, expected: dict[str, str]) -> None:
    assert dotenv.parse(line) == expected


def test_the_environment_wins_where_it_says_something(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nB=2\nC=3\n")
    assert dotenv.layered(file, {"A": "10", "B": "", "PATH": "/bin"}) == {"A": "10", "B": "2", "C": "3"}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "state.env"
    values = {"TOPOLOGY": "redis", "REDIS_IMAGE": "redis:8.10.1"}
    dotenv.write(file, values, "first line\nsecond line")
    assert dotenv.read(file) == values
    assert file.read_text().startswith("# first line\n# second line\n")
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_file_has_no_settings(tmp_path: Path) -> None:
    assert dotenv.read(tmp_path / "none") == {}
