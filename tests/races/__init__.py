"""Many at one instant: tasks and real processes on one database (RELIABILITY T3, T4, T15, T16)."""
