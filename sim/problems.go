package sim

const invalidRequest = "invalid_request_error"

// openAIProblems are the bodies of api.openai.com by status. Every other status from 500 on is a server_error.
var openAIProblems = map[int]problem{
	400: {kind: invalidRequest, message: "Invalid request."},
	401: {kind: invalidRequest, code: "invalid_api_key", message: "Incorrect API key provided: sk-sim. You can find your API key at https://platform.openai.com/account/api-keys."},
	403: {kind: invalidRequest, code: "unsupported_country_region_territory", message: "Country, region, or territory not supported"},
	404: {kind: invalidRequest, code: "model_not_found", message: "The model does not exist or you do not have access to it."},
	408: {kind: invalidRequest, message: "Request timed out."},
	413: {kind: invalidRequest, message: "Maximum content size limit exceeded."},
	429: {kind: "requests", code: "rate_limit_exceeded", message: "Rate limit reached for requests in organization org-sim on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms."},
	503: {kind: "server_error", message: "The engine is currently overloaded, please try again later."},
}

// anthropicProblems are the bodies of api.anthropic.com by status. Every other status from 500 on is an api_error.
var anthropicProblems = map[int]problem{
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
