"""Bad input, made and tried: every case is a file written on the spot, with its expected outcome."""
