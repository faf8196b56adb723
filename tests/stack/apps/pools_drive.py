"""Sends every task of pools.py: python pools_drive.py NODE POOL. Waits for the worker, which must hear the revoke."""

import sys
import time

import pools
from pools import app

node, prefork = sys.argv[1], "prefork" in sys.argv[2:]
deadline = time.monotonic() + 60
while not app.control.ping(destination=[node], timeout=1):
    assert time.monotonic() < deadline, f"{node} does not answer"

pools.later.apply_async(countdown=4).revoke()
for number in range(20):
    pools.add.delay(number)
for task in (pools.fail, pools.again, pools.reject, pools.ignore, pools.family):
    task.delay()
app.send_task("pools.nobody_knows_it")
pools.later.apply_async(countdown=3, expires=1)
if prefork:
    pools.die.delay()
    pools.hang.delay()
