"""celery-rig: a load-testing rig for Celery that accounts for every task."""
