"""One send: where to, through which call, and what it costs beside the application's own."""
