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
		if err := checkMessage(element("prompt.messages", i), m); err != nil {
			return err
		}
	}
	for _, check := range []func(*llmv1.Prompt) error{checkSystem, checkTools, checkFormat, checkNumbers} {
		if err := check(p); err != nil {
			return err
		}
	}
	return checkExtensions(at("prompt"), p.GetExtensions())
}

// place is where something stands in a prompt; it is put into words only where that is wrong.
type place struct {
	// list is what it stands in, index its number there; none is no element of a list.
	list  string
	index int
	// part is the number of a part of it, or none.
	part int
}

// none is the index of what is no element of a list.
const none = -1

func at(list string) place                  { return place{list, none, none} }
func element(list string, index int) place  { return place{list, index, none} }
func (p place) partAt(index int) place      { p.part = index; return p }
func (p place) field(name string) string    { return p.String() + "." + name }
func indexed(list string, index int) string { return list + "[" + strconv.Itoa(index) + "]" }

func (p place) String() string {
	path := p.list
	if p.index >= 0 {
		path = indexed(path, p.index)
	}
	if p.part >= 0 {
		path = indexed(path+".parts", p.part)
	}
	return path
}

func checkSystem(p *llmv1.Prompt) error {
	if p.GetSystem() != "" && len(p.GetSystemParts()) > 0 {
		return Invalid("prompt.system_parts", "can't be set beside prompt.system; send one of them")
	}
	for i, part := range p.GetSystemParts() {
		if err := checkPart(element("prompt.system_parts", i), llmv1.Role_ROLE_SYSTEM, part); err != nil {
			return err
		}
	}
	return nil
}

func checkMessage(p place, m *llmv1.Message) error {
	switch m.GetRole() {
	case llmv1.Role_ROLE_SYSTEM, llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT, llmv1.Role_ROLE_TOOL:
	default:
		return Invalid(p.field("role"), "must be ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL")
	}
	if len(m.GetParts()) == 0 && len(m.GetExtensions()) == 0 {
		return Missing(p.field("parts"))
	}
	for i, part := range m.GetParts() {
		if err := checkPart(p.partAt(i), m.GetRole(), part); err != nil {
			return err
		}
	}
	return checkExtensions(p, m.GetExtensions())
}

func checkPart(p place, role llmv1.Role, part *llmv1.Part) error {
	if err := checkExtensions(p, part.GetExtensions()); err != nil {
		return err
	}
	_, response := part.GetKind().(*llmv1.Part_ToolCallResponse)
	if role == llmv1.Role_ROLE_TOOL && !response && part.GetKind() != nil {
		return Invalid(p.String(), "must be a tool_call_response in a message of ROLE_TOOL")
	}
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text, *llmv1.Part_File, *llmv1.Part_Uri, *llmv1.Part_Blob:
		return checkContent(p, part)
	case *llmv1.Part_Refusal:
		return only(p, "refusal", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_Reasoning:
		return only(p, "reasoning", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_ToolCall:
		if kind.ToolCall.GetName() == "" {
			return Missing(p.field("tool_call.name"))
		}
		return only(p, "tool_call", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_ToolCallResponse:
		return checkResponse(p, role, kind.ToolCallResponse)
	case *llmv1.Part_Native:
		return checkJSON(p, "native.json", kind.Native.GetJson(), 'o')
	}
	return Missing(p.String())
}

func checkContent(p place, part *llmv1.Part) error {
	switch {
	case part.GetFile() != nil && part.GetFile().GetId() == "":
		return Missing(p.field("file.id"))
	case part.GetUri() != nil && part.GetUri().GetUri() == "":
		return Missing(p.field("uri.uri"))
	case part.GetBlob() != nil && part.GetBlob().GetMimeType() == "":
		return Missing(p.field("blob.mime_type"))
	}
	return nil
}

func checkResponse(p place, role llmv1.Role, r *llmv1.ToolCallResponsePart) error {
	switch {
	case role != llmv1.Role_ROLE_TOOL && role != llmv1.Role_ROLE_USER:
		return Invalid(p.field("tool_call_response"), "is for ROLE_TOOL and ROLE_USER only")
	case r.GetId() == "":
		return Missing(p.field("tool_call_response.id"))
	}
	for i, part := range r.GetParts() {
		if checkPart(place{}, llmv1.Role_ROLE_USER, part) != nil { // then it is worth to say where
			return checkPart(at(p.field("tool_call_response")).partAt(i), llmv1.Role_ROLE_USER, part)
		}
	}
	return nil
}

func only(p place, field string, role, want llmv1.Role) error {
	if role != want {
		return Invalid(p.field(field), "is for "+want.String()+" only")
	}
	return nil
}

func checkTools(p *llmv1.Prompt) error {
	for i, t := range p.GetTools() {
		if err := checkTool(element("prompt.tools", i), t); err != nil {
			return err
		}
	}
	choice := p.GetToolChoice()
	if choice.GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL && choice.GetName() == "" {
		return Missing("prompt.tool_choice.name")
	}
	return checkExtensions(at("prompt.tool_choice"), choice.GetExtensions())
}

func checkTool(p place, t *llmv1.Tool) error {
	if t.GetNative() != "" {
		return checkJSON(p, "native", t.GetNative(), 'o')
	}
	if t.GetName() == "" {
		return Missing(p.field("name"))
	}
	if t.GetInputSchema() != "" {
		if err := checkJSON(p, "input_schema", t.GetInputSchema(), 0); err != nil {
			return err
		}
	}
	return checkExtensions(p, t.GetExtensions())
}

func checkFormat(p *llmv1.Prompt) error {
	here := at("prompt.response_format")
	f := p.GetResponseFormat()
	switch f.GetKind() {
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
		if f.GetSchema() != "" || len(f.GetExtensions()) == 0 {
			if err := checkJSON(here, "schema", f.GetSchema(), 0); err != nil {
				return err
			}
		}
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX:
		if f.GetPattern() == "" {
			return Missing(here.field("pattern"))
		}
	}
	return checkExtensions(here, f.GetExtensions())
}

// checkJSON refuses text that isn't JSON; kind 'o' demands an object.
func checkJSON(p place, field, text string, kind byte) error {
	data := []byte(text)
	if rawjson.Check(data, MaxAnswerDepth) != nil || (kind != 0 && rawjson.Kind(data) != kind) {
		return Invalid(p.field(field), "must be valid JSON text, without space around it")
	}
	return nil
}

// checkExtensions: the empty text leaves a field out.
func checkExtensions(p place, extensions map[string]string) error {
	for _, value := range extensions {
		if value != "" && rawjson.Check([]byte(value), MaxAnswerDepth) != nil {
			return Invalid(p.field("extensions"), "must hold valid JSON text only")
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
		{"temperature", s.GetTemperature()},
		{"top_p", s.GetTopP()},
		{"min_p", s.GetMinP()},
		{"repetition_penalty", s.GetRepetitionPenalty()},
		{"frequency_penalty", s.GetFrequencyPenalty()},
		{"presence_penalty", s.GetPresencePenalty()},
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
