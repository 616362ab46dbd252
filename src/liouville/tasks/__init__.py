"""What a user asks for: cells, density, transport, control, events, one room each."""
