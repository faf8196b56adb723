"""Which images a stack runs on, and when one of ours is built again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rig.stack import build, images

OFFICIAL = {
    "REDIS_IMAGE": "redis:8.10.1",
    "PYTHON_IMAGE": "python:3.13-slim",
    "REDIS_EXPORTER_IMAGE": "oliver006/redis_exporter:v1.88.0",
    "GRAFANA_IMAGE": "grafana/grafana:13.1.2",
}
STAND_INS = ["celery-rig/redis:debian", "celery-rig/python:debian", "celery-rig/redis-exporter:debian"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `compose/images` with a stand-in for all but Grafana."""
    for name in ("redis", "python", "redis-exporter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").touch()
    return tmp_path


def never(image: str) -> bool:
    raise AssertionError(f"the registry was asked for {image}")


def having(*names: str) -> Callable[[str], bool]:
    return lambda image: image in names


def test_the_registry_decides_on_a_machine_without_images(folder: Path) -> None:
    asked: list[str] = []

    def answer(image: str) -> bool:
        asked.append(image)
        return True

    chosen = images.decide("", OFFICIAL, folder, present=having(), registry_answers=answer)
    assert (chosen.family, dict(chosen.names), chosen.grafana) == (images.OFFICIAL, OFFICIAL, True)
    assert len(asked) == 1


def test_without_a_registry_stand_ins_are_used_and_grafana_is_left_out(folder: Path) -> None:
    chosen = images.decide("", OFFICIAL, folder, present=having(), registry_answers=having())
    assert chosen.family == images.DEBIAN
    assert [chosen.names[name] for name in ("REDIS_IMAGE", "PYTHON_IMAGE", "REDIS_EXPORTER_IMAGE")] == STAND_INS
    assert not chosen.grafana
    assert chosen.variables["IMAGE_FAMILY"] == "debian"


def test_nothing_is_asked_where_the_official_images_are_here(folder: Path) -> None:
    chosen = images.decide("", OFFICIAL, folder, present=having(*OFFICIAL.values()), registry_answers=never)
    assert chosen.family == images.OFFICIAL


def test_nothing_is_asked_where_the_stand_ins_are_here(folder: Path) -> None:
    chosen = images.decide("", OFFICIAL, folder, present=having(*STAND_INS), registry_answers=never)
    assert chosen.family == images.DEBIAN


def test_grafana_runs_beside_stand_ins_where_its_image_is_here(folder: Path) -> None:
    here = having(*STAND_INS, OFFICIAL["GRAFANA_IMAGE"])
    assert images.decide("", OFFICIAL, folder, present=here, registry_answers=never).grafana


@pytest.mark.parametrize(
    ("docker", "answers"),
    [
        ("echo '8.10.1: Pulling from library/redis'; exec sleep 60", True),
        ("echo 'no such host' >&2; exit 1", False),
        ("sleep 2; echo '8.10.1: Pulling from library/redis'", False),
    ],
)
def test_a_registry_answers_in_time_or_not_at_all(
    docker: str, answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "docker"
    script.write_text(f"#!/bin/sh\n{docker}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert images.registry_answers("redis:8.10.1", deadline=0.5) is answers


@pytest.mark.parametrize("family", images.FAMILIES)
def test_a_wish_is_followed_without_asking(folder: Path, family: str) -> None:
    chosen = images.decide(family, OFFICIAL, folder, present=having(), registry_answers=never)
    assert chosen.family == family


def test_only_official_images_that_are_missing_are_pulled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "present", having(OFFICIAL["REDIS_IMAGE"]))
    pulled = {
        family: images.to_pull(
            OFFICIAL, images.decide(family, OFFICIAL, folder, present=having(), registry_answers=never)
        )
        for family in images.FAMILIES
    }
    missing = [image for image in OFFICIAL.values() if image != OFFICIAL["REDIS_IMAGE"]]
    assert pulled == {images.OFFICIAL: missing, images.DEBIAN: []}


def test_the_hash_of_inputs_follows_contents_names_and_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    file = source / "run.sh"
    file.write_text("one")
    seen = [build.digest([source])]
    assert build.digest([source]) == seen[0]
    file.write_text("two")
    seen.append(build.digest([source]))
    file.chmod(0o755)
    seen.append(build.digest([source]))
    file.rename(source / "start.sh")
    seen += [build.digest([source]), build.digest([source], "more")]
    assert len(set(seen)) == len(seen)
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_text("x")
    assert build.digest([source]) == seen[-2]


def test_what_is_built_on_an_image_is_built_again_with_it(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    for path in ("services/Dockerfile", "services/Dockerfile.dockerignore", "services/app/tasks.py",
                 "rig/instrument/fast.c", "requirements/app.txt", "requirements/rig.txt",
                 "compose/images/debian-sources.sh",
                 *(f"compose/images/{name}/Dockerfile" for name in ("base", "redis", "python", "redis-exporter"))):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    chosen = images.decide(images.DEBIAN, OFFICIAL, folder, present=having(), registry_answers=never)

    def inputs() -> dict[str, str]:
        return {recipe.image: recipe.inputs for recipe in build.recipes(root, chosen)}

    def changed(path: str) -> set[str]:
        before = inputs()
        (root / path).write_text("changed")
        return {image.removeprefix("celery-rig/") for image, now in inputs().items() if now != before[image]}

    assert next(iter(inputs())) == build.BASE
    assert changed("requirements/rig.txt") == {"rig:debian"}
    assert changed("services/app/tasks.py") == {"app:debian", "rig:debian"}
    assert changed("rig/instrument/fast.c") == {"app:debian", "rig:debian"}
    assert changed("compose/images/redis/Dockerfile") == {"redis:debian"}
    assert changed("compose/images/python/Dockerfile") == {"python:debian", "app:debian", "rig:debian"}
    assert changed("compose/images/base/Dockerfile") == {image.removeprefix("celery-rig/") for image in inputs()}


def test_pips_settings_travel_without_paths_of_this_machine() -> None:
    listed = "\n".join([
        ":env:.find-links='/somewhere/wheels'", ":env:.default-timeout='180'", "global.cert='/some/ca.crt'",
        "global.index-url='https://mirror.test/simple'", "install.trusted-host='mirror.test'",
    ])
    assert build.pip_conf(listed).splitlines() == [
        "[global]", "default-timeout = 180", "index-url = https://mirror.test/simple", "trusted-host = mirror.test",
    ]



def test_the_base_is_not_given_to_compose_which_would_look_for_its_dockerfile(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[list[str]] = []
    bases: list[str] = []
    monkeypatch.setattr(build, "built_from", lambda _: "")
    monkeypatch.setattr(build, "image_id", lambda _: "")
    monkeypatch.setattr(build, "_build_base", lambda _, recipe: bases.append(recipe.image))
    monkeypatch.setattr(build, "_compose_build", lambda _, wanted, __: handed.append([one.image for one in wanted]))
    names = {"PYTHON_IMAGE": "celery-rig/python:debian", "REDIS_IMAGE": "celery-rig/redis:debian"}
    chosen = images.Images(family=images.DEBIAN, names=names, grafana=False, why="")
    build.ensure(Path(__file__).parents[2], chosen)
    assert bases == ["celery-rig/base:debian"]
    assert handed == [
        ["celery-rig/python:debian", "celery-rig/redis:debian"], ["celery-rig/app:debian", "celery-rig/rig:debian"],
    ]  # fmt: skip
