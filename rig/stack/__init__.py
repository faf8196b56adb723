"""The deployment seen from the host: pre-flight, images, secrets, and the Compose project that they make."""
