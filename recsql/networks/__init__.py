"""What scoring a trained network needs, without the library that trained it."""
