"""The ledger: what happened to each task, in memory-mapped files that survive the process that writes them.

`layout` is the format, `writer` fills it (standard library only), `reader` reads it back and reports damage
(`header` and `sound` say what that is, for the exporter too),
`tasks` joins it to one row a task (`group` brings a task's slots together, `parts` does it for more than fits into
memory), `parquet` writes that as a file (`schema`), `account` says what became of every task.
"""
