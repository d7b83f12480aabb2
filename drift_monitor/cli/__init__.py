"""The `drift-monitor` command."""
