"""Whether rows are like those a detector was calibrated on, and what follows for its estimates."""
