"""Attaches the ledger to any Celery app from outside: `CELERY_LOADER=rig.instrument.loader:Loader`.

The app needs no change and imports nothing of ours. `loader` is the way in, `publisher` stamps what the process
sends, `worker` stamps what it executes. Where Celery offers no cheap hook we wrap one; each wrap says why.
"""
