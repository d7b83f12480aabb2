"""The `adversarial` command."""
