"""The generator of an experiment: a Locust process in a container that gets its orders over HTTP."""
