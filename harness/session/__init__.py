"""A device's whole work in a run: timing its cases, or comparing them in pairs."""
