"""What chapters run: functions for sweeps, what they have in common, and the settings of stored runs."""
