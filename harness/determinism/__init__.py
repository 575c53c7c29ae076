"""Whether a side gives the same for the same call, whatever else runs. It says nothing of the other side."""
