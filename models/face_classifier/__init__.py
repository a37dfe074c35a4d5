"""The network that tells faces from texture among MTCNN's candidates."""
