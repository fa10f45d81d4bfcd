"""Files that hold values of any kind, read within bounds: JSON, XML, MATLAB."""
