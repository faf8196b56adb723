"""The reference application's settings for each kind of broker, and what it says when it is told too little."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
from celery import Celery
from celery.exceptions import ImproperlyConfigured

AMQP = "amqp://app@rabbitmq:5672/app"
REDIS = "redis://app@redis:6379/0"
SENTINELS = "sentinel://app@sentinel-1:26379/0;sentinel://app@sentinel-2:26380/0"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("broker", "result", "sentinel"):
        (tmp_path / name).write_text(f"{name}/secret\n")
        monkeypatch.setenv(f"{name.upper()}_PASSWORD_FILE", str(tmp_path / name))
    monkeypatch.setenv("BROKER_URL", AMQP)
    monkeypatch.setenv("RESULT_URL", "redis://app@redis-results:6379/0")
    monkeypatch.setenv("SENTINEL_MASTER", "broker")
    monkeypatch.setenv("SENTINEL_RESULT_MASTER", "results")
    return monkeypatch


def load() -> ModuleType:
    module = importlib.import_module("app.celeryconfig")
    return importlib.reload(module)


@pytest.mark.usefixtures("environment")
def test_passwords_come_from_files_and_are_escaped() -> None:
    config = load()
    assert config.broker_url == "amqp://app:broker%2Fsecret@rabbitmq:5672/app"
    assert config.result_backend == "redis://app:result%2Fsecret@redis-results:6379/0"


def test_every_sentinel_gets_the_password(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BROKER_URL", SENTINELS)
    assert load().broker_url.count("app:broker%2Fsecret@") == 2


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "redis://app:already@redis:6379/0"])
def test_a_url_without_a_user_or_with_a_password_is_refused(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("BROKER_URL", url)
    with pytest.raises(ImproperlyConfigured, match="must name a user and no password"):
        load()


def test_what_is_missing_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("RESULT_URL")
    with pytest.raises(ImproperlyConfigured, match=r"RESULT_URL is not set; see compose/topologies"):
        load()


def test_a_missing_secret_is_named_with_its_place(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BROKER_PASSWORD_FILE", "/nowhere/broker_password")
    with pytest.raises(ImproperlyConfigured, match="BROKER_PASSWORD_FILE=/nowhere/broker_password cannot be read"):
        load()


def test_the_celery_command_cannot_take_the_url_without_password(environment: pytest.MonkeyPatch) -> None:
    """It sets this variable from $BROKER_URL before it loads the settings, and reads it first afterwards."""
    environment.setenv("CELERY_BROKER_URL", AMQP)
    app = Celery("probe", set_as_current=False)
    app.config_from_object(load())
    assert app.conf.broker_url == "amqp://app:broker%2Fsecret@rabbitmq:5672/app"


@pytest.mark.usefixtures("environment")
def test_rabbitmq_queues_are_quorum_on_a_topic_exchange_with_confirms() -> None:
    config = load()
    for queue in config.task_queues:
        assert queue.queue_arguments == {"x-queue-type": "quorum"}
        assert queue.exchange.type == "topic", "native delayed delivery does not work with a direct exchange"
    assert config.broker_transport_options["confirm_publish"] is True
    assert config.worker_cancel_long_running_tasks_on_connection_loss is True


def test_redis_needs_no_binding_and_outlasts_a_dead_peer(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BROKER_URL", REDIS)
    config = load()
    assert {queue.exchange.type for queue in config.task_queues} == {"direct"}
    options = config.broker_transport_options
    assert options["socket_timeout"] < 60
    assert options["visibility_timeout"] > config.task_time_limit
    assert config.worker_cancel_long_running_tasks_on_connection_loss is False


def test_sentinel_is_asked_for_broker_and_results(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BROKER_URL", SENTINELS)
    environment.setenv("RESULT_URL", SENTINELS)
    config = load()
    assert config.broker_transport_options["master_name"] == "broker"
    assert config.result_backend_transport_options["master_name"] == "results"
    for options in (config.broker_transport_options, config.result_backend_transport_options):
        assert options["sentinel_kwargs"]["password"] == "sentinel/secret"
        assert options["sentinel_kwargs"]["retry"].get_retries() == 0  # the next sentinel is asked at once


@pytest.mark.parametrize("url", [AMQP, REDIS, SENTINELS])
def test_publishers_outlast_a_failover(environment: pytest.MonkeyPatch, url: str) -> None:
    """kombu counts every URL as a try, and sleeps once a round: as many sleeps are needed however many sentinels."""
    environment.setenv("BROKER_URL", url)
    config = load()
    policy = config.task_publish_retry_policy
    rounds = policy["max_retries"] // (url.count(";") + 1)
    slept = sum(min(number * policy["interval_step"], policy["interval_max"]) for number in range(rounds))
    assert slept > 15


@pytest.mark.usefixtures("environment")
def test_canaries_go_everywhere_and_expire() -> None:
    config = load()
    canaries = [entry for entry in config.beat_schedule.values() if entry["task"] == "app.canary"]
    assert {entry["options"]["queue"] for entry in canaries} == {queue.name for queue in config.task_queues}
    assert all(entry["options"]["expires"] for entry in canaries)
    assert all(entry["args"] == (entry["options"]["queue"],) for entry in canaries)


@pytest.mark.usefixtures("environment")
def test_every_scheduled_and_routed_task_exists() -> None:
    config = load()
    tasks = (Path(config.__file__).parent / "tasks.py").read_text()
    names = {entry["task"] for entry in config.beat_schedule.values()} | set(config.task_routes)
    assert not [name for name in names if f'name="{name}"' not in tasks]
