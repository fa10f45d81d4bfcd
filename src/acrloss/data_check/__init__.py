"""Looking a data set over: what is wrong with it, and pictures of that."""
