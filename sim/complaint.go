package sim

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// complain is a 400 about one place in the request. vLLM's validator is the same as Anthropic's, and words it the same.
func (v vendor) complain(path, code, openAISays, anthropicSays string) problem {
	switch v {
	case anthropic:
		return problem{status: http.StatusBadRequest, kind: invalidRequest, message: path + ": " + anthropicSays}
	case vLLM:
		return vllmComplaint(path, code, cmp.Or(anthropicSays, openAISays))
	case tgi:
		return undeserialized(path, cmp.Or(openAISays, anthropicSays))
	}
	return problem{status: http.StatusBadRequest, kind: invalidRequest, code: code, param: path, message: openAISays}
}

func (v vendor) missing(path string) problem {
	if v == tgi {
		return undeserialized(path, "missing field `"+path[strings.LastIndexByte(path, '.')+1:]+"`")
	}
	return v.complain(path, "missing_required_parameter",
		fmt.Sprintf("Missing required parameter: '%s'.", path), "Field required")
}

func (v vendor) unknown(path string) problem {
	return v.complain(path, "unknown_parameter",
		fmt.Sprintf("Unknown parameter: '%s'.", path), "Extra inputs are not permitted")
}

// anthropicTypes are the words of Anthropic's validator for a JSON type.
var anthropicTypes = map[string]string{
	"a string": "a valid string", "an integer": "a valid integer", "a decimal": "a valid number",
	"a boolean": "a valid boolean", "an array": "a valid list", "an object": "a valid dictionary",
}

func (v vendor) wrongType(path, wanted, got string) problem {
	if v == tgi {
		return undeserialized(path, "invalid type: "+serdeTypes[got]+", expected "+serdeTypes[wanted])
	}
	return v.complain(path, "invalid_type",
		fmt.Sprintf("Invalid type for '%s': expected %s, but got %s instead.", path, wanted, got),
		"Input should be "+anthropicTypes[wanted])
}

func (v vendor) outOfRange(path, sort string, got, lo, hi float64) problem {
	side, sign, than, limit := "below_min", ">=", "greater", lo
	if got > hi {
		side, sign, than, limit = "above_max", "<=", "less", hi
	}
	words := strings.ReplaceAll(side, "_min", " minimum")
	words = strings.ReplaceAll(words, "_max", " maximum")
	return v.complain(path, sort+"_"+side+"_value",
		fmt.Sprintf("Invalid '%s': %s %s value. Expected a value %s %s, but got %s instead.",
			path, sort, words, sign, plain(limit), plain(got)),
		fmt.Sprintf("Input should be %s than or equal to %s", than, plain(limit)))
}

func (v vendor) notOneOf(path, got string, allowed []string) problem {
	list := "'" + strings.Join(allowed, "', '") + "'"
	return v.complain(path, "invalid_value",
		fmt.Sprintf("Invalid value: '%s'. Supported values are: %s.", got, list), "Input should be "+list)
}

// vllmComplaint is a pydantic error as vLLM words it: its type is the HTTP phrase.
func vllmComplaint(path, sort, says string) problem {
	loc := ""
	for part := range strings.SplitSeq(path, ".") {
		if _, err := strconv.Atoi(part); err != nil {
			part = "'" + part + "'"
		}
		loc += ", " + part
	}
	return problem{
		status: http.StatusBadRequest, kind: http.StatusText(http.StatusBadRequest),
		message: fmt.Sprintf("1 validation error:\n  {'type': '%s', 'loc': ('body'%s), 'msg': '%s'}", sort, loc, says),
	}
}

// serdeTypes are the words of TGI's deserializer for a JSON type.
var serdeTypes = map[string]string{
	"a string": "a string", "an integer": "integer", "a decimal": "floating point", "a boolean": "boolean",
	"an array": "sequence", "an object": "map", "null": "null", "nothing": "nothing",
}

// undeserialized is TGI's answer to a body that isn't of the type: prose, of the framework under it.
func undeserialized(path, says string) problem {
	if path != "" {
		path += ": "
	}
	return problem{status: http.StatusUnprocessableEntity, exact: &exact{
		"text/plain; charset=utf-8",
		"Failed to deserialize the JSON body into the target type: " + path + says + " at line 1 column 1",
	}}
}

// noModel is the 404 for a name nobody knows.
func (v vendor) noModel(id string) problem {
	switch v {
	case anthropic:
		return problem{status: http.StatusNotFound, message: "model: " + id}
	case vLLM:
		return problem{status: http.StatusNotFound, param: "model", message: "The model `" + id + "` does not exist."}
	}
	return problem{
		status:  http.StatusNotFound,
		message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", id),
	}
}

// notJSON is the answer to a body that can't be parsed.
func (v vendor) notJSON() problem {
	switch v {
	case anthropic:
		return problem{status: http.StatusBadRequest, message: "The request body is not valid JSON"}
	case vLLM:
		return vllmComplaint("0", "json_invalid", "JSON decode error")
	case tgi:
		return undeserialized("", "expected value")
	}
	return problem{status: http.StatusBadRequest, kind: invalidRequest, message: "We could not parse the JSON body of your request. " +
		"(HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"}
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
