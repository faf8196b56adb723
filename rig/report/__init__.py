"""What a person gets to see of a run: table, report.md, report.html and plot, all from result.json and shapes.json."""
