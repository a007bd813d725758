package api

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

const (
	maxID        = 128
	maxFilename  = 255
	maxData      = 1 << 20
	maxFiles     = 10_000
	maxBatches   = 1000
	maxPairs     = 16
	maxTags      = 31 // the router takes 32, and one names the batch
	maxTag       = 128
	maxMetaKey   = 64
	maxMetaValue = 512
	maxHeader    = 1024
	leastKept    = time.Minute
	leastWindow  = time.Minute
	mostWindow   = 24 * time.Hour
)

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's path. What isn't a request of BatchService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *batchv1.CreateFileRequest:
		return part(r)
	case *batchv1.ListFilesRequest:
		return cmp.Or(between("limit", r.GetLimit(), maxFiles), optionalID("after", r.GetAfter()))
	case *batchv1.CreateBatchRequest:
		return create(r)
	case *batchv1.ListBatchesRequest:
		return cmp.Or(between("limit", r.GetLimit(), maxBatches), optionalID("after", r.GetAfter()),
			optionalID("before", r.GetBefore()), knownDialect(r.GetDialect()))
	case *batchv1.StreamResultsRequest:
		return cmp.Or(identified(r.GetId()), behind(r.GetAfter()))
	case interface{ GetId() string }:
		if isOurs(m) {
			return identified(r.GetId())
		}
	}
	return nil
}

// isOurs tells this service's requests, which all name what they are about by id, from others'.
func isOurs(m proto.Message) bool {
	switch m.(type) {
	case *batchv1.GetFileRequest, *batchv1.DeleteFileRequest, *batchv1.ReadFileRequest, *batchv1.GetBatchRequest,
		*batchv1.CancelBatchRequest, *batchv1.DeleteBatchRequest:
		return true
	}
	return false
}

func identified(id string) error {
	if id == "" {
		return missing("id", "it was returned when what it names was created")
	}
	return optionalID("id", id)
}

func behind(line int64) error {
	if line < 0 {
		return invalid("after", "must be a line's number, or left out")
	}
	return nil
}

func optionalID(field, id string) error {
	if len(id) > maxID {
		return invalid(field, "must be an id, at most %d bytes", maxID)
	}
	return nil
}

func between(field string, n int32, most int32) error {
	if n < 0 || n > most {
		return invalid(field, "must be from 1 to %d, or left out", most)
	}
	return nil
}

func part(r *batchv1.CreateFileRequest) error {
	if len(r.GetData()) > maxData {
		return invalid("data", "must be at most %d bytes in one message; send several", maxData)
	}
	d := r.GetDescription()
	if d == nil {
		return nil
	}
	switch d.GetFormat() {
	case batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES, batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS:
	case batchv1.FileFormat_FILE_FORMAT_UNSPECIFIED:
		return missing("description.format", "say how the file is to be read")
	default:
		return invalid("description.format", "must be FILE_FORMAT_OPENAI_LINES or FILE_FORMAT_ANTHROPIC_REQUESTS")
	}
	switch name := d.GetFilename(); {
	case len(name) > maxFilename:
		return invalid("description.filename", "must be at most %d bytes", maxFilename)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid("description.filename", "must hold no control characters")
	}
	return kept(d.GetExpiresAfter())
}

func kept(d *durationpb.Duration) error {
	if d != nil && (!d.IsValid() || d.AsDuration() < leastKept) {
		return invalid("description.expires_after", "must be at least %s, or left out", leastKept)
	}
	return nil
}

func create(r *batchv1.CreateBatchRequest) error {
	return cmp.Or(source(r), requests(r.GetRequests()), knownDialect(r.GetDialect()), operation(r.GetOperation()),
		window(r.GetCompletionWindow()), concurrency(r.GetConcurrency()), sensitivity(r.GetSensitivity()), tags(r.GetTags()),
		metadata(r.GetMetadata()), headers(r.GetHeaders()))
}

func source(r *batchv1.CreateBatchRequest) error {
	switch {
	case r.GetInputFileId() == "" && len(r.GetRequests()) == 0:
		return missing("input_file_id", "name a file of requests, or send requests")
	case r.GetInputFileId() != "" && len(r.GetRequests()) > 0:
		return invalid("requests", "must be left out beside input_file_id")
	case len(r.GetRequests()) > 0 && r.GetDialect() == llmv1.Dialect_DIALECT_UNSPECIFIED:
		return missing("dialect", "say whose the bodies are")
	}
	return optionalID("input_file_id", r.GetInputFileId())
}

// requests looks at names only: the bodies are looked at with all other lines, afterwards.
func requests(list []*batchv1.BatchRequest) error {
	for i, r := range list {
		field := fmt.Sprintf("requests[%d]", i)
		switch {
		case r.GetCustomId() == "":
			return missing(field+".custom_id", "a name of your own for the line")
		case len(r.GetCustomId()) > maxCustomID:
			return invalid(field+".custom_id", "must be at most %d bytes", maxCustomID)
		case r.GetBody() == "":
			return missing(field+".body", "the request as it would be sent by itself, as JSON text")
		}
	}
	return nil
}

const maxCustomID = 64

func knownDialect(d llmv1.Dialect) error {
	if _, ok := llmv1.Dialect_name[int32(d)]; !ok {
		return invalid("dialect", "must be DIALECT_OPENAI or DIALECT_ANTHROPIC")
	}
	return nil
}

func operation(o batchv1.BatchOperation) error {
	if _, ok := batchv1.BatchOperation_name[int32(o)]; !ok {
		return invalid("operation", "must be BATCH_OPERATION_CHAT or BATCH_OPERATION_EMBED")
	}
	return nil
}

func window(d *durationpb.Duration) error {
	if d != nil && (!d.IsValid() || d.AsDuration() < leastWindow || d.AsDuration() > mostWindow) {
		return invalid("completion_window", "must be from %s to %s, or left out", leastWindow, mostWindow)
	}
	return nil
}

func concurrency(n int32) error {
	if n < 0 {
		return invalid("concurrency", "must be at least 1, or left out")
	}
	return nil
}

func sensitivity(s llmv1.Sensitivity) error {
	if _, ok := llmv1.Sensitivity_name[int32(s)]; !ok {
		return invalid("sensitivity", "must be SENSITIVITY_NONE, SENSITIVITY_LOW, SENSITIVITY_MEDIUM or SENSITIVITY_HIGH")
	}
	return nil
}

// tags takes what the router takes as x-headgate-tags.
func tags(m map[string]string) error {
	if len(m) > maxTags {
		return invalid("tags", "must be at most %d", maxTags)
	}
	for name, value := range m {
		if strings.TrimSpace(name) == "" || len(name) > maxTag || len(value) > maxTag || !plain(name+value) || strings.Contains(name, "=") {
			return invalid("tags", "must have names and values of printable ASCII, at most %d bytes each, without commas, and names without =", maxTag)
		}
		if name == "batch" {
			return invalid("tags", "must not have the name batch: Headgate puts the batch's id there")
		}
	}
	return nil
}

// plain reports whether text can be one of a list in metadata.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == ',' })
}

func metadata(m map[string]string) error {
	if len(m) > maxPairs {
		return invalid("metadata", "must be at most %d pairs", maxPairs)
	}
	for key, value := range m {
		if len(key) > maxMetaKey || len(value) > maxMetaValue {
			return invalid("metadata", "must have keys of at most %d bytes, and values of at most %d", maxMetaKey, maxMetaValue)
		}
	}
	return nil
}

func headers(m map[string]string) error {
	passed := []string{"anthropic-beta", "anthropic-version", "openai-beta"}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(passed, name) {
			return invalid("headers", "must be of %s", strings.Join(passed, ", "))
		}
		if value := m[name]; len(value) > maxHeader || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			return invalid("headers", "must have values of at most %d bytes, without control characters", maxHeader)
		}
	}
	return nil
}
