"""A broker that stands still for two seconds, as an open-loop and as a closed-loop load sees it: `rig freeze`."""
