"""Tells a generator (`rig.load.generator.server`) what to send, over HTTP."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rig.errors import StackError


class NotReadyError(StackError):
    """A generator is not there yet, or broker, result store or queue are not."""


def ask(url: str, order: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
    """POST `order` to a generator and return its answer.

    NotReadyError where asking again may help, StackError with the generator's reasons where it refuses.
    """
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(order).encode(), headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - 127.0.0.1, our own container
            said: Mapping[str, Any] = json.load(answer)
            return said
    except urllib.error.HTTPError as error:
        why = f"the generator answered: {_reasons(error.read())}"
        raise (NotReadyError if error.code == HTTPStatus.SERVICE_UNAVAILABLE else StackError)(why) from error
    except TimeoutError as error:
        raise StackError(f"the generator gave no answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError(f"the generator cannot be reached: {error}") from error


def _reasons(body: bytes) -> str:
    """Return the reasons that a generator's refusal lists, as one line."""
    try:
        return "; ".join(json.loads(body)["problems"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]
