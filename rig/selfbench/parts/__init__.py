"""One module a part of `rig selfbench`: a TITLE, and `measure(job: Job) -> Found` (`rig.selfbench.part`)."""
