package promises_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ending is how an answer came to its end.
type ending string

// The endings that a client can't mistake; a status is an error before any stream began.
const (
	terminal   ending = "whole"
	errorFrame ending = "error frame"
	brokenOff  ending = "broken off"
	refused    ending = "status"
)

// sight is what a client saw of an answer.
type sight struct {
	content

	end   ending
	beats int
	// fault is what the error frame said.
	fault string
}

var (
	errCleanEnd = errors.New("a clean end short of the end")
	errAfterEnd = errors.New("something follows the end")
	errHalf     = errors.New("half a frame before a clean end")
)

// saw reads a client's event stream; failure is the error that the connection ended with. It returns an error where the
// stream breaks promise S1 by itself, whatever the provider did.
func saw(dialect string, stream []byte, failure error) (s sight, err error) {
	list, rest := frames(stream)
	for _, f := range list {
		if f.comment {
			s.beats++
			continue
		}
		if dialect == "anthropic" && f.name == "ping" {
			s.beats++
			if s.end != "" {
				return s, errAfterEnd
			}
			continue
		}
		if s.end != "" {
			return s, fmt.Errorf("%w: %q", errAfterEnd, f.data)
		}
		if err := s.take(dialect, f); err != nil {
			return s, err
		}
	}
	switch {
	case s.end != "":
	case failure != nil:
		s.end = brokenOff
	case len(strings.TrimSpace(string(rest))) > 0:
		return s, errHalf
	default:
		return s, errCleanEnd
	}
	return s, nil
}

func (s *sight) take(dialect string, f frame) error {
	var e struct {
		Type  string
		Error json.RawMessage
	}
	_ = json.Unmarshal([]byte(f.data), &e)
	failed := len(e.Error) > 0 && string(e.Error) != "null"
	if dialect == "anthropic" {
		if failed != (f.name == "error") || (failed && e.Type != "error") {
			return fmt.Errorf("an error frame that isn't one: %q %q", f.name, f.data)
		}
	} else if f.name != "" && !failed {
		return fmt.Errorf("an event with a name, which the OpenAI SDK stumbles over: %q", f.name)
	}
	if failed {
		s.end, s.fault = errorFrame, f.data
		return nil
	}
	read := s.openAI
	if dialect == "anthropic" {
		read = s.anthropic
	}
	if err := read(f.data); err != nil {
		return fmt.Errorf("a frame that is no JSON: %q", f.data)
	}
	if s.whole {
		s.end = terminal
	}
	return nil
}

// sawWhole reads an answer that isn't a stream; whether anything is missing is for the oracle to say.
func sawWhole(path string, answer []byte, failure error) (s sight, err error) {
	if failure != nil {
		return sight{end: brokenOff}, nil
	}
	if !json.Valid(answer) {
		return s, errCleanEnd
	}
	c, _ := saidWhole(path, answer)
	return sight{content: c, end: terminal}, nil
}
