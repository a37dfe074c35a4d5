"""`laa batch` over storages and machines: a folder cut into units, which workers do, in this process or on a Ray cluster."""
