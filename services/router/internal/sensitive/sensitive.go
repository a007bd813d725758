// Package sensitive finds sensitive data in requests, and redacts it. Detectors don't stop at the look of a text: card
// numbers, bank accounts and national ids have to satisfy their checksums, and what has none needs words around it that
// say what it is. Every text of a request is looked into, tool arguments and results included, however it is escaped;
// what isn't known is looked into as well.
//
// Redaction goes one way: a mark takes the place of what was found, and every other byte stays as it was sent.
package sensitive

import (
	"regexp"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// kind is a detector: the built-in ones first, then the operator's own.
type kind uint16

// In the order of their precedence: where two of them claim the same bytes, the first one has them.
const (
	privateKey kind = iota
	token
	card
	iban
	nationalID
	bankAccount
	password
	email
	phone
	ip
	dateOfBirth
	ownFrom
)

var builtInNames = [ownFrom]string{
	privateKey: "private_key", token: "token", card: "card", iban: "iban", nationalID: "national_id",
	bankAccount: "bank_account", password: "password", email: "email", phone: "phone", ip: "ip",
	dateOfBirth: "date_of_birth",
}

var builtInLabels = [ownFrom]llmv1.Sensitivity{
	privateKey: llmv1.Sensitivity_SENSITIVITY_HIGH, token: llmv1.Sensitivity_SENSITIVITY_HIGH,
	card: llmv1.Sensitivity_SENSITIVITY_HIGH, iban: llmv1.Sensitivity_SENSITIVITY_HIGH,
	nationalID: llmv1.Sensitivity_SENSITIVITY_HIGH, bankAccount: llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	password: llmv1.Sensitivity_SENSITIVITY_HIGH, email: llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	phone: llmv1.Sensitivity_SENSITIVITY_MEDIUM, ip: llmv1.Sensitivity_SENSITIVITY_LOW,
	dateOfBirth: llmv1.Sensitivity_SENSITIVITY_MEDIUM,
}

func builtIn(name string) bool {
	for _, n := range builtInNames {
		if n == name {
			return true
		}
	}
	return false
}

// Scanner finds sensitive data. It is safe for concurrent use.
type Scanner struct {
	always bool
	names  []string
	labels []llmv1.Sensitivity
	// patterns and dictionaries are the operator's own, numbered from ownFrom on, patterns first.
	patterns     []*regexp.Regexp
	dictionaries []*dictionary
}

// New returns a scanner for a configuration that [Config.Validate] has passed; the error tells which field doesn't work
// (a file of words that can't be read, for example), with its path in the section.
func New(c Config) (*Scanner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Scanner{always: c.Always}
	for k := range ownFrom {
		s.names = append(s.names, builtInNames[k])
		s.labels = append(s.labels, c.label(k))
	}
	for _, p := range c.Patterns {
		s.names, s.labels = append(s.names, p.Name), append(s.labels, labels[p.Sensitivity])
		s.patterns = append(s.patterns, regexp.MustCompile(p.Pattern))
	}
	for i, d := range c.Dictionaries {
		words, err := c.dictionary(i)
		if err != nil {
			return nil, err
		}
		s.names, s.labels = append(s.names, d.Name), append(s.labels, labels[d.Sensitivity])
		s.dictionaries = append(s.dictionaries, words)
	}
	return s, nil
}

// Always reports whether every request is to be looked into, even where no rule asks for its sensitivity.
func (s *Scanner) Always() bool { return s.always }

// on reports whether a detector counts.
func (s *Scanner) on(k kind) bool { return s.labels[k] > llmv1.Sensitivity_SENSITIVITY_NONE }
