package telemetry

// CallBuckets are boundaries, in seconds, for calls within the mesh: from an in-process lookup to the longest stream.
func CallBuckets() []float64 {
	return []float64{
		0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
		1, 2.5, 5, 10, 30, 60, 120, 300, 600,
	}
}

// OperationBuckets are the boundaries, in seconds, that the OpenTelemetry GenAI conventions advise for
// gen_ai.client.operation.duration, time_to_first_chunk, time_per_output_chunk and gen_ai.server.request.duration.
func OperationBuckets() []float64 {
	return []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
}

// FirstTokenBuckets are those for gen_ai.server.time_to_first_token, in seconds.
func FirstTokenBuckets() []float64 {
	return []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// PerTokenBuckets are those for gen_ai.server.time_per_output_token, in seconds.
func PerTokenBuckets() []float64 {
	return []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5}
}

// TokenBuckets are those for gen_ai.client.token.usage, in tokens.
func TokenBuckets() []float64 {
	return []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
}
