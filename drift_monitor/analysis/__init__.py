"""What a batch shows: harm, accuracy, drift, where they occur, and what corrections gain."""
