"""What a run will measure: cases, comparisons, targets, and the record that a run begins with."""
