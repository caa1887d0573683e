"""A network in torch: graph, module, validation, measurement, profiling and exports."""
