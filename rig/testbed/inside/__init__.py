"""What runs inside of a testbed's containers, and not on the host."""
