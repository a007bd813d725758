package dialect

import (
	"math"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// CheckPrompt refuses what no dialect can say, and text that claims to be JSON and isn't: no messages, a message without
// a role, a part in a message of the wrong role, a call without a name, a number that isn't one. Errors are *fault.Error
// with the field's path from the request on (`prompt.messages[0].role`).
func CheckPrompt(p *llmv1.Prompt) error {
	if len(p.GetMessages()) == 0 {
		return Missing("prompt.messages")
	}
	for i, m := range p.GetMessages() {
		if err := checkMessage(&place{name: "prompt.messages", index: i}, m); err != nil {
			return err
		}
	}
	for _, check := range []func(*llmv1.Prompt) error{checkSystem, checkTools, checkFormat, checkNumbers} {
		if err := check(p); err != nil {
			return err
		}
	}
	return checkExtensions(&place{name: "prompt", index: whole}, p.GetExtensions())
}

// place is where something stands in a prompt; it is put into words only where that is wrong.
type place struct {
	up    *place
	name  string
	index int
}

// whole is the index of what is no element of a list.
const whole = -1

func (p *place) String() string {
	path := p.name
	if p.up != nil {
		path = p.up.String() + "." + path
	}
	if p.index >= 0 {
		path += "[" + strconv.Itoa(p.index) + "]"
	}
	return path
}

func (p *place) field(name string) string { return p.String() + "." + name }

func checkSystem(p *llmv1.Prompt) error {
	if p.GetSystem() != "" && len(p.GetSystemParts()) > 0 {
		return Invalid("prompt.system_parts", "can't be set beside prompt.system; send one of them")
	}
	for i, part := range p.GetSystemParts() {
		if err := checkPart(&place{name: "prompt.system_parts", index: i}, llmv1.Role_ROLE_SYSTEM, part); err != nil {
			return err
		}
	}
	return nil
}

func checkMessage(at *place, m *llmv1.Message) error {
	switch m.GetRole() {
	case llmv1.Role_ROLE_SYSTEM, llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT, llmv1.Role_ROLE_TOOL:
	default:
		return Invalid(at.field("role"), "must be ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL")
	}
	if len(m.GetParts()) == 0 && len(m.GetExtensions()) == 0 {
		return Missing(at.field("parts"))
	}
	for i, part := range m.GetParts() {
		if err := checkPart(&place{up: at, name: "parts", index: i}, m.GetRole(), part); err != nil {
			return err
		}
	}
	return checkExtensions(at, m.GetExtensions())
}

func checkPart(at *place, role llmv1.Role, part *llmv1.Part) error {
	if err := checkExtensions(at, part.GetExtensions()); err != nil {
		return err
	}
	_, response := part.GetKind().(*llmv1.Part_ToolCallResponse)
	if role == llmv1.Role_ROLE_TOOL && !response && part.GetKind() != nil {
		return Invalid(at.String(), "must be a tool_call_response in a message of ROLE_TOOL")
	}
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text, *llmv1.Part_File, *llmv1.Part_Uri, *llmv1.Part_Blob:
		return checkContent(at, part)
	case *llmv1.Part_Refusal:
		return only(at, "refusal", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_Reasoning:
		return only(at, "reasoning", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_ToolCall:
		if kind.ToolCall.GetName() == "" {
			return Missing(at.field("tool_call.name"))
		}
		return only(at, "tool_call", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_ToolCallResponse:
		return checkResponse(&place{up: at, name: "tool_call_response", index: whole}, role, kind.ToolCallResponse)
	case *llmv1.Part_Native:
		return checkJSON(at, "native.json", kind.Native.GetJson(), 'o')
	}
	return Missing(at.String())
}

func checkContent(at *place, part *llmv1.Part) error {
	switch {
	case part.GetFile() != nil && part.GetFile().GetId() == "":
		return Missing(at.field("file.id"))
	case part.GetUri() != nil && part.GetUri().GetUri() == "":
		return Missing(at.field("uri.uri"))
	case part.GetBlob() != nil && part.GetBlob().GetMimeType() == "":
		return Missing(at.field("blob.mime_type"))
	}
	return nil
}

func checkResponse(at *place, role llmv1.Role, r *llmv1.ToolCallResponsePart) error {
	switch {
	case role != llmv1.Role_ROLE_TOOL && role != llmv1.Role_ROLE_USER:
		return Invalid(at.String(), "is for ROLE_TOOL and ROLE_USER only")
	case r.GetId() == "":
		return Missing(at.field("id"))
	}
	for i, part := range r.GetParts() {
		if err := checkPart(&place{up: at, name: "parts", index: i}, llmv1.Role_ROLE_USER, part); err != nil {
			return err
		}
	}
	return nil
}

func only(at *place, field string, role, want llmv1.Role) error {
	if role != want {
		return Invalid(at.field(field), "is for "+want.String()+" only")
	}
	return nil
}

func checkTools(p *llmv1.Prompt) error {
	for i, t := range p.GetTools() {
		if err := checkTool(&place{name: "prompt.tools", index: i}, t); err != nil {
			return err
		}
	}
	choice := p.GetToolChoice()
	if choice.GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL && choice.GetName() == "" {
		return Missing("prompt.tool_choice.name")
	}
	return checkExtensions(&place{name: "prompt.tool_choice", index: whole}, choice.GetExtensions())
}

func checkTool(at *place, t *llmv1.Tool) error {
	if t.GetNative() != "" {
		return checkJSON(at, "native", t.GetNative(), 'o')
	}
	if t.GetName() == "" {
		return Missing(at.field("name"))
	}
	if t.GetInputSchema() != "" {
		if err := checkJSON(at, "input_schema", t.GetInputSchema(), 0); err != nil {
			return err
		}
	}
	return checkExtensions(at, t.GetExtensions())
}

func checkFormat(p *llmv1.Prompt) error {
	at := &place{name: "prompt.response_format", index: whole}
	f := p.GetResponseFormat()
	switch f.GetKind() {
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
		if f.GetSchema() != "" || len(f.GetExtensions()) == 0 {
			if err := checkJSON(at, "schema", f.GetSchema(), 0); err != nil {
				return err
			}
		}
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX:
		if f.GetPattern() == "" {
			return Missing(at.field("pattern"))
		}
	}
	return checkExtensions(at, f.GetExtensions())
}

// checkJSON refuses text that isn't JSON; kind 'o' demands an object.
func checkJSON(at *place, field, text string, kind byte) error {
	data := []byte(text)
	if rawjson.Check(data, MaxAnswerDepth) != nil || (kind != 0 && rawjson.Kind(data) != kind) {
		return Invalid(at.field(field), "must be valid JSON text, without space around it")
	}
	return nil
}

// checkExtensions: the empty text leaves a field out.
func checkExtensions(at *place, extensions map[string]string) error {
	for _, value := range extensions {
		if value != "" && rawjson.Check([]byte(value), MaxAnswerDepth) != nil {
			return Invalid(at.field("extensions"), "must hold valid JSON text only")
		}
	}
	return nil
}

// checkNumbers refuses what JSON has no way to write.
func checkNumbers(p *llmv1.Prompt) error {
	s := p.GetSampling()
	for _, n := range []struct {
		name  string
		value float64
	}{
		{"temperature", s.GetTemperature()}, {"top_p", s.GetTopP()}, {"min_p", s.GetMinP()}, {"repetition_penalty", s.GetRepetitionPenalty()},
		{"frequency_penalty", s.GetFrequencyPenalty()}, {"presence_penalty", s.GetPresencePenalty()},
	} {
		if math.IsNaN(n.value) || math.IsInf(n.value, 0) {
			return Invalid("prompt.sampling."+n.name, "must be a number")
		}
	}
	for _, x := range s.GetLogitBias() {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Invalid("prompt.sampling.logit_bias", "must hold numbers only")
		}
	}
	return nil
}
