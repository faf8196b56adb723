"""Passwords are made once, checked, and turned into the hashes that brokers want."""

import base64
import hashlib
import stat
from pathlib import Path

import pytest

from rig.errors import BadInput
from rig.stack import secrets, templates

GOOD = "correct-horse-battery"


def test_every_password_is_made_and_kept(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    first = secrets.ensure({}, directory)
    assert set(first) == set(secrets.PASSWORDS)
    assert len(set(first.values())) == len(first)
    assert not secrets.problems(first, directory, stack_exists=True)
    assert secrets.ensure({}, directory) == first
    assert (directory / "broker_password").read_text() == first["BROKER_PASSWORD"]


def test_nobody_else_reaches_the_files_but_containers_of_any_uid_do(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    secrets.ensure({}, directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o444}


def test_the_users_password_is_taken(tmp_path: Path) -> None:
    secrets.ensure({}, tmp_path)
    assert secrets.ensure({"FLOWER_PASSWORD": GOOD}, tmp_path)["FLOWER_PASSWORD"] == GOOD
    assert (tmp_path / "flower_password").read_text() == GOOD


@pytest.mark.parametrize(
    ("value", "complaint"), [("short", "5 characters"), ("with/a/slash/in/it", "'/'"), ("a space and an @", "' ' '@'")]
)
def test_an_unusable_password_is_a_problem(tmp_path: Path, value: str, complaint: str) -> None:
    (problem,) = secrets.problems({"BROKER_PASSWORD": value}, tmp_path, stack_exists=False)
    assert problem.startswith("BROKER_PASSWORD in .env")
    assert complaint in problem


def test_a_password_that_contradicts_the_existing_stack_is_a_problem(tmp_path: Path) -> None:
    stored = secrets.ensure({}, tmp_path)
    changed = {"BROKER_PASSWORD": GOOD}
    (problem,) = secrets.problems(changed, tmp_path, stack_exists=True)
    assert "make down VOLUMES=1" in problem
    assert not secrets.problems(changed, tmp_path, stack_exists=False)
    assert not secrets.problems({"BROKER_PASSWORD": stored["BROKER_PASSWORD"]}, tmp_path, stack_exists=True)


def test_all_passwords_are_judged_at_once(tmp_path: Path) -> None:
    settings = {"BROKER_PASSWORD": "short", "FLOWER_PASSWORD": "a/b/c/d/e/f/g/h", "GRAFANA_PASSWORD": ""}
    assert len(secrets.problems(settings, tmp_path, stack_exists=False)) == 2


def test_rabbitmqs_hash_is_salt_and_salted_digest() -> None:
    raw = base64.b64decode(secrets.rabbitmq_hash(GOOD))
    assert len(raw) == 4 + 32
    assert raw[4:] == hashlib.sha256(raw[:4] + GOOD.encode()).digest()
    assert secrets.rabbitmq_hash(GOOD) == secrets.rabbitmq_hash(GOOD)
    assert secrets.rabbitmq_hash(GOOD)[:4] != secrets.rabbitmq_hash(GOOD + "!")[:4]


def test_variables_of_a_template() -> None:
    filled = secrets.variables({"BROKER_PASSWORD": GOOD})
    assert filled["BROKER_PASSWORD"] == GOOD
    assert filled["BROKER_PASSWORD_SHA256"] == hashlib.sha256(GOOD.encode()).hexdigest()
    assert filled["BROKER_PASSWORD_RABBITMQ"] == secrets.rabbitmq_hash(GOOD)


def test_dollars_of_other_languages_stand_for_themselves() -> None:
    text = '"^$" "^(?!a|b$)" $1 $$ $${A} ${A}'
    assert templates.fill(text, {"A": "x"}) == '"^$" "^(?!a|b$)" $1 $ ${A} x'


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("topologies/redis/users.acl.template", "redis/users.acl"),
        ("prometheus/web.yml.template", "prometheus/web.yml"),
        ("top.conf.template", "top.conf"),
    ],
)
def test_where_a_template_goes(template: str, rendered: str) -> None:
    assert templates.target(Path(template)) == Path(rendered)


def test_templates_are_rendered_and_unchanged_files_stay_the_same_file(tmp_path: Path) -> None:
    template = tmp_path / "compose" / "topologies" / "redis" / "users.acl.template"
    template.parent.mkdir(parents=True)
    template.write_text("user app on #${A}\n")
    (path,) = templates.render(tmp_path / "compose", tmp_path / "secrets", {"A": "1"})
    assert path.read_text() == "user app on #1\n"
    before, digest = path.stat().st_ctime_ns, templates.digest([path])
    templates.render(tmp_path / "compose", tmp_path / "secrets", {"A": "1"})
    assert (path.stat().st_ctime_ns, templates.digest([path])) == (before, digest)
    templates.render(tmp_path / "compose", tmp_path / "secrets", {"A": "2"})
    assert templates.digest([path]) != digest


def test_unknown_variables_are_named_all_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    compose = tmp_path / "compose"
    (compose / "a").mkdir(parents=True)
    for name in ("one", "two"):
        (compose / "a" / f"{name}.template").write_text("${TYPO_" + name + "} ${A}")
    with pytest.raises(BadInput) as caught:
        templates.render(compose, tmp_path / "secrets", {"A": "1"})
    assert [f"TYPO_{name}" in problem for name, problem in zip(("one", "two"), caught.value.problems, strict=True)] == [
        True, True,
    ]
    assert not (tmp_path / "secrets").exists()
