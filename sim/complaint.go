package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// complain is a 400 about one place in the request.
func (v vendor) complain(path, code, openAISays, anthropicSays string) problem {
	if v == anthropic {
		return problem{status: http.StatusBadRequest, kind: invalidRequest, message: path + ": " + anthropicSays}
	}
	return problem{status: http.StatusBadRequest, kind: invalidRequest, code: code, param: path, message: openAISays}
}

func (v vendor) missing(path string) problem {
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

// noModel is the 404 for a name nobody knows.
func (v vendor) noModel(id string) problem {
	if v == anthropic {
		return problem{status: http.StatusNotFound, message: "model: " + id}
	}
	return problem{
		status:  http.StatusNotFound,
		message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", id),
	}
}

// notJSON is the answer to a body that can't be parsed.
func (v vendor) notJSON() problem {
	if v == anthropic {
		return problem{status: http.StatusBadRequest, message: "The request body is not valid JSON"}
	}
	return problem{status: http.StatusBadRequest, kind: invalidRequest, message: "We could not parse the JSON body of your request. " +
		"(HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"}
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
