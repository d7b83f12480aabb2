"""What is claimed of speed, memory and agreement with other implementations, measured."""
