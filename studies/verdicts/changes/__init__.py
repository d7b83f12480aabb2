"""What drifts do to rows: to flat rows, to images, and to which rows are in a batch."""
