"""What a person gets to see of a run: the table, report.md and the plot, all made from result.json alone."""
