"""Bad input, made and tried: every case of the catalogue is a file written on the spot, with its outcome beside it."""
