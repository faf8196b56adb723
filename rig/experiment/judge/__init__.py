"""What a run shows: ratios with intervals, reasons not to use them, and the verdict."""
