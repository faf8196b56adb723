"""Locust users that send Celery tasks and record each in the ledger.

`target` says where to, `arrivals` when, `ids` under which ids; `client` is the Celery side of it, `check` finds out
whether anybody is there, `session` ties a Locust process to its ledger, `celery_user` is what loadtests/ build on;
`turns` is the load file of the experiments' generator containers.
"""
