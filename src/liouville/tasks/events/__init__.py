"""Events in space and time: from a catalogue to a point process, its report and forecasts."""
