"""Networks that find landmarks in crops: building, saving, finding, exporting and running them."""
