"""What the docker command line tool refuses now and then is tried again."""

from __future__ import annotations

import pytest

from rig.errors import StackError
from rig.stack import docker


@pytest.mark.parametrize("failures", [0, 1, docker.PAUSE_TRIES - 1, docker.PAUSE_TRIES])
def test_a_pause_is_tried_again_and_at_last_given_up(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    calls: list[tuple[str, ...]] = []

    def refuse(*arguments: str) -> str:
        calls.append(arguments)
        if len(calls) <= failures:
            raise StackError("unable to freeze: unknown")
        return ""

    monkeypatch.setattr(docker, "docker", refuse)
    monkeypatch.setattr(docker.time, "sleep", lambda _: None)
    if failures < docker.PAUSE_TRIES:
        docker.pause("broker")
    else:
        with pytest.raises(StackError, match="unable to freeze"):
            docker.pause("broker")
    assert calls == [("pause", "broker")] * min(failures + 1, docker.PAUSE_TRIES)
