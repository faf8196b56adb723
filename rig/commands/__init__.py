"""The verbs of `rig`, one module each: `register(subparsers)` adds the verb, whose `run` gets the parsed arguments."""
