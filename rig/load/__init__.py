"""Locust users that send Celery tasks and record each in the ledger.

`celery_user` is what a load file imports. `send` is one send, `schedule` says when, `ids` names the tasks, `users`
keeps a Locust test together from its start to its last line, and `generator` is the load file of an experiment's
containers.
"""
