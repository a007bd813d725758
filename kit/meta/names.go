// Package meta holds the names of the headers and metadata that steer or describe one call, and the request id that
// follows a call through every process. HTTP headers and gRPC metadata carry the same names; all are in lower case.
package meta

// What comes back on every response.
const (
	// XRequestID and RequestIDHeader carry the same id: the first is common, the second is what Anthropic's SDK reads.
	XRequestID      = "x-request-id"
	RequestIDHeader = "request-id"
	// Provider is the configured name of the provider that answered.
	Provider = "x-headgate-provider"
	// Model is the model as sent to the provider.
	Model = "x-headgate-model"
	// UpstreamRequestID is the provider's own id of the exchange.
	UpstreamRequestID = "x-headgate-upstream-request-id"
	// Attempts is how many upstream attempts were made.
	Attempts = "x-headgate-attempts"
	// Warnings tells what of the request the provider can't express and was left out as harmless.
	Warnings = "x-headgate-warnings"
)

// What a caller may send to steer one call.
const (
	// Sensitivity is none, low, medium or high; it raises the label and never lowers it.
	Sensitivity = "x-headgate-sensitivity"
	// Cache is on, off or refresh in a request; hit, miss, coalesced or off in a response.
	Cache = "x-headgate-cache"
	// CacheTTL is in whole seconds.
	CacheTTL = "x-headgate-cache-ttl"
	// Route is the name of a model or route in the configuration.
	Route = "x-headgate-route"
	// TimeoutMS is the total deadline in milliseconds.
	TimeoutMS = "x-headgate-timeout-ms"
	// FirstContentMS and GapMS bound how long a stream may be silent until its first content, and after that.
	FirstContentMS = "x-headgate-first-content-ms"
	GapMS          = "x-headgate-gap-ms"
	// Priority is interactive or batch: what can wait is refused first.
	Priority = "x-headgate-priority"
	// Tags is a list such as team=search,feature=autocomplete.
	Tags = "x-headgate-tags"
)

// Steering returns the names of the headers that steer a call.
func Steering() []string {
	return []string{Sensitivity, Route, TimeoutMS, FirstContentMS, GapMS, Tags, Cache, CacheTTL, Priority}
}

// Names that travel between processes of the mesh.
const (
	// InternalPrefix begins every name that only processes of the mesh may set; edges drop it in both directions.
	InternalPrefix = "x-headgate-internal-"
	// InternalPeer proves a process of the mesh: "<name> <hex token>".
	InternalPeer = InternalPrefix + "peer"
	// InternalOnBehalf is the id of the key that a process of the mesh acts for.
	InternalOnBehalf = InternalPrefix + "on-behalf"
	// Authorization and APIKey are the two places a caller's key may stand in.
	Authorization = "authorization"
	APIKey        = "x-api-key"
	// TraceParent and TraceState are the W3C trace context.
	TraceParent = "traceparent"
	TraceState  = "tracestate"
)
