package adapter

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// URLs says which addresses in prompts a provider may be given. A server in the house would fetch them from inside: no
// client may send it anywhere the operator hasn't named. The zero URLs allows all, as is right for hosted providers.
type URLs struct {
	// Guarded refuses every address that doesn't begin with one of Allowed.
	Guarded bool
	Allowed []string
}

// checkPrompt refuses a prompt that holds an address which isn't allowed.
func (u URLs) checkPrompt(p *llmv1.Prompt) error {
	if !u.Guarded {
		return nil
	}
	for i, m := range p.GetMessages() {
		if err := u.checkParts(fmt.Sprintf("prompt.messages[%d].parts", i), m.GetParts()); err != nil {
			return err
		}
	}
	return u.checkParts("prompt.system_parts", p.GetSystemParts())
}

func (u URLs) checkParts(path string, parts []*llmv1.Part) error {
	for i, part := range parts {
		at := fmt.Sprintf("%s[%d]", path, i)
		if uri := part.GetUri(); uri != nil && !u.allows(uri.GetUri()) {
			return refusedURL(at)
		}
		for _, extension := range part.GetExtensions() {
			if holdsURL([]byte(extension)) {
				return refusedURL(at)
			}
		}
		if native := part.GetNative(); native != nil && holdsURL([]byte(native.GetJson())) {
			return refusedURL(at)
		}
		if err := u.checkParts(at+".parts", part.GetToolCallResponse().GetParts()); err != nil {
			return err
		}
	}
	return nil
}

func (u URLs) allows(uri string) bool {
	if strings.HasPrefix(uri, "data:") {
		return true
	}
	for _, prefix := range u.Allowed {
		if strings.HasPrefix(uri, prefix) {
			return true
		}
	}
	return false
}

// holdsURL looks for the names under which servers take addresses.
func holdsURL(json []byte) bool {
	return bytes.Contains(json, []byte(`url"`)) || bytes.Contains(json, []byte(`\u`))
}

// checkRaw is checkPrompt for a client's own bytes: they are only taken apart where there may be an address in them.
func (u URLs) checkRaw(c provider.Call) error {
	if !u.Guarded || c.Operation != routerv1.Operation_OPERATION_CHAT || !holdsURL(c.Body) {
		return nil
	}
	decode := openai.DecodeRequest
	if c.Dialect == llmv1.Dialect_DIALECT_ANTHROPIC {
		decode = anthropic.DecodeRequest
	}
	prompt, err := decode(c.Body)
	if err != nil {
		return err
	}
	return u.checkPrompt(prompt)
}

func refusedURL(field string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED,
		"%s: this server is given no addresses to fetch; send the content itself (base64), or ask the operator to allow the address in providers.*.allow_urls", field).
		With("field", field)
}
