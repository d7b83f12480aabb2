"""Start-up: what a process spends before and beside its work."""
