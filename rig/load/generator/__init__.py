"""The generator of an experiment: a Locust process in a container that is told over HTTP what to send."""
