package sim

const invalidRequest = "invalid_request_error"

// problems are the servers' own error bodies by status; that of 0 is for every other status from 500 on.
var problems = [...]map[int]problem{openAI: openAIProblems, anthropic: anthropicProblems, vLLM: vllmProblems, tgi: tgiProblems}

var openAIProblems = map[int]problem{
	0:   {kind: "server_error", message: "The server had an error while processing your request. Sorry about that!"},
	400: {kind: invalidRequest, message: "Invalid request."},
	401: {kind: invalidRequest, code: "invalid_api_key", message: "Incorrect API key provided: sk-sim. You can find your API key at https://platform.openai.com/account/api-keys."},
	403: {kind: invalidRequest, code: "unsupported_country_region_territory", message: "Country, region, or territory not supported"},
	404: {kind: invalidRequest, code: "model_not_found", message: "The model does not exist or you do not have access to it."},
	408: {kind: invalidRequest, message: "Request timed out."},
	413: {kind: invalidRequest, message: "Maximum content size limit exceeded."},
	429: {kind: "requests", code: "rate_limit_exceeded", message: "Rate limit reached for requests in organization org-sim on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms."},
	503: {kind: "server_error", message: "The engine is currently overloaded, please try again later."},
}

var anthropicProblems = map[int]problem{
	0:   {kind: "api_error", message: "Internal server error"},
	400: {kind: invalidRequest, message: "Invalid request"},
	401: {kind: "authentication_error", message: "invalid x-api-key"},
	402: {kind: "billing_error", message: "Your credit balance is too low to access the Anthropic API."},
	403: {kind: "permission_error", message: "Your API key does not have permission to use the specified resource."},
	404: {kind: "not_found_error", message: "Not Found"},
	409: {kind: "conflict_error", message: "The request conflicts with the current state of the resource."},
	413: {kind: "request_too_large", message: "Request exceeds the maximum size"},
	429: {kind: "rate_limit_error", message: "This request would exceed your organization's rate limit of 4,000 requests per minute."},
	504: {kind: "timeout_error", message: "Request timed out"},
	529: {kind: "overloaded_error", message: "Overloaded"},
}

// vllmProblems: vLLM itself never answers 429 or 503 to a request; a script can make it.
var vllmProblems = map[int]problem{
	0:   {kind: "InternalServerError", message: "EngineCore encountered an issue. See stack trace (above) for the root cause."},
	400: {kind: "BadRequestError", message: "The request is invalid."},
	401: {kind: "Unauthorized", message: "Unauthorized"},
	404: {kind: "NotFoundError", message: "The model does not exist."},
	413: {kind: "Request Entity Too Large", message: "Request Entity Too Large"},
	422: {kind: "UnprocessableEntityError", message: "The request can't be processed."},
	429: {kind: "RateLimitError", message: "Too many requests."},
	501: {kind: "NotImplementedError", message: "The server does not implement this."},
	503: {kind: "ServiceUnavailableError", message: "The engine is not ready."},
}

// tgiProblems: its own statuses are 422, 424, 429, 500 and 503; a script can make others.
var tgiProblems = map[int]problem{
	0:   {kind: "incomplete_generation", message: "Incomplete generation"},
	413: {kind: "validation", message: "length limit exceeded"},
	422: {kind: "validation", message: "Input validation error: the request is invalid"},
	424: {kind: "generation", message: "Request failed during generation: Server error: CUDA error: an illegal memory access was encountered"},
	429: {kind: "overloaded", message: "Model is overloaded"},
	503: {kind: "healthcheck", message: "unhealthy"},
}
