"""Something-Something v1 and v2, with the boxes of Something-Else."""
