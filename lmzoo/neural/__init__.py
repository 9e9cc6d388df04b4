"""What networks share: modules, attention, devices, reading a text."""
