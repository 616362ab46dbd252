"""What a fitted model says of cells: where they go and came from, and where it is written down."""
