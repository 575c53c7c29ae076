"""From one side's call to the other side's code: recipes of the case files, matched, run and written out."""
