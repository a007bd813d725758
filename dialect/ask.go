package dialect

// Ask says how a prompt is to be sent, or how its answer is to be written.
type Ask struct {
	// Model is the name that the provider knows; in an answer, the one to give where the answer names none.
	Model string
	// Stream is whether the answer comes as a stream.
	Stream bool
	// IncludeUsage is whether an OpenAI stream ends with a chunk that holds the usage.
	IncludeUsage bool
}
