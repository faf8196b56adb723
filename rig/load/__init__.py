"""Locust users that send Celery tasks and record each in the ledger.

`target` says where to, `arrivals` when (`read_arrivals` reads what a person writes, `trace` a recording), `ids` under
which ids; `client` is the Celery side of it, `check` finds out whether anybody is there, `session` ties a Locust
process to its ledger. `celery_user` is what loadtests/ build on: `lifecycle` keeps the counts of its processes
together, `schedule` deals out what they send. `turns` is the load file of the experiments' generator containers.
"""
