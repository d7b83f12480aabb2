"""What a batch shows: harm, accuracy, drift, where it is, and what corrections gain."""
