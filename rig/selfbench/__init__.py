"""What measuring costs what is measured: the rig put to its own test (`make selfbench`)."""
