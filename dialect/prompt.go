package dialect

import (
	"fmt"
	"math"

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
		if err := checkMessage(fmt.Sprintf("prompt.messages[%d]", i), m); err != nil {
			return err
		}
	}
	for _, check := range []func(*llmv1.Prompt) error{checkSystem, checkTools, checkFormat, checkNumbers} {
		if err := check(p); err != nil {
			return err
		}
	}
	return checkExtensions("prompt.extensions", p.GetExtensions())
}

func checkSystem(p *llmv1.Prompt) error {
	if p.GetSystem() != "" && len(p.GetSystemParts()) > 0 {
		return Invalid("prompt.system_parts", "can't be set beside prompt.system; send one of them")
	}
	for i, part := range p.GetSystemParts() {
		if err := checkPart(fmt.Sprintf("prompt.system_parts[%d]", i), llmv1.Role_ROLE_SYSTEM, part); err != nil {
			return err
		}
	}
	return nil
}

func checkMessage(path string, m *llmv1.Message) error {
	switch m.GetRole() {
	case llmv1.Role_ROLE_SYSTEM, llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT, llmv1.Role_ROLE_TOOL:
	default:
		return Invalid(path+".role", "must be ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL")
	}
	if len(m.GetParts()) == 0 && len(m.GetExtensions()) == 0 {
		return Missing(path + ".parts")
	}
	for i, part := range m.GetParts() {
		if err := checkPart(fmt.Sprintf("%s.parts[%d]", path, i), m.GetRole(), part); err != nil {
			return err
		}
	}
	return checkExtensions(path+".extensions", m.GetExtensions())
}

func checkPart(path string, role llmv1.Role, part *llmv1.Part) error {
	if err := checkExtensions(path+".extensions", part.GetExtensions()); err != nil {
		return err
	}
	_, response := part.GetKind().(*llmv1.Part_ToolCallResponse)
	if role == llmv1.Role_ROLE_TOOL && !response && part.GetKind() != nil {
		return Invalid(path, "must be a tool_call_response in a message of ROLE_TOOL")
	}
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text, *llmv1.Part_File, *llmv1.Part_Uri, *llmv1.Part_Blob:
		return checkContent(path, part)
	case *llmv1.Part_Refusal:
		return only(path+".refusal", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_Reasoning:
		return only(path+".reasoning", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_ToolCall:
		if kind.ToolCall.GetName() == "" {
			return Missing(path + ".tool_call.name")
		}
		return only(path+".tool_call", role, llmv1.Role_ROLE_ASSISTANT)
	case *llmv1.Part_ToolCallResponse:
		return checkResponse(path+".tool_call_response", role, kind.ToolCallResponse)
	case *llmv1.Part_Native:
		return checkJSON(path+".native.json", kind.Native.GetJson(), 'o')
	}
	return Missing(path)
}

func checkContent(path string, part *llmv1.Part) error {
	switch {
	case part.GetFile() != nil && part.GetFile().GetId() == "":
		return Missing(path + ".file.id")
	case part.GetUri() != nil && part.GetUri().GetUri() == "":
		return Missing(path + ".uri.uri")
	case part.GetBlob() != nil && part.GetBlob().GetMimeType() == "":
		return Missing(path + ".blob.mime_type")
	}
	return nil
}

func checkResponse(path string, role llmv1.Role, r *llmv1.ToolCallResponsePart) error {
	switch {
	case role != llmv1.Role_ROLE_TOOL && role != llmv1.Role_ROLE_USER:
		return Invalid(path, "is for ROLE_TOOL and ROLE_USER only")
	case r.GetId() == "":
		return Missing(path + ".id")
	}
	for i, part := range r.GetParts() {
		if err := checkPart(fmt.Sprintf("%s.parts[%d]", path, i), llmv1.Role_ROLE_USER, part); err != nil {
			return err
		}
	}
	return nil
}

func only(field string, role, want llmv1.Role) error {
	if role != want {
		return Invalid(field, "is for "+want.String()+" only")
	}
	return nil
}

func checkTools(p *llmv1.Prompt) error {
	for i, t := range p.GetTools() {
		path := fmt.Sprintf("prompt.tools[%d]", i)
		if err := checkTool(path, t); err != nil {
			return err
		}
	}
	choice := p.GetToolChoice()
	if choice.GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL && choice.GetName() == "" {
		return Missing("prompt.tool_choice.name")
	}
	return checkExtensions("prompt.tool_choice.extensions", choice.GetExtensions())
}

func checkTool(path string, t *llmv1.Tool) error {
	if t.GetNative() != "" {
		return checkJSON(path+".native", t.GetNative(), 'o')
	}
	if t.GetName() == "" {
		return Missing(path + ".name")
	}
	if t.GetInputSchema() != "" {
		if err := checkJSON(path+".input_schema", t.GetInputSchema(), 0); err != nil {
			return err
		}
	}
	return checkExtensions(path+".extensions", t.GetExtensions())
}

func checkFormat(p *llmv1.Prompt) error {
	const path = "prompt.response_format"
	f := p.GetResponseFormat()
	switch f.GetKind() {
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
		if f.GetSchema() != "" || len(f.GetExtensions()) == 0 {
			if err := checkJSON(path+".schema", f.GetSchema(), 0); err != nil {
				return err
			}
		}
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX:
		if f.GetPattern() == "" {
			return Missing(path + ".pattern")
		}
	}
	return checkExtensions(path+".extensions", f.GetExtensions())
}

// checkJSON refuses text that isn't JSON; kind 'o' demands an object.
func checkJSON(path, text string, kind byte) error {
	data := []byte(text)
	if rawjson.Check(data, MaxAnswerDepth) != nil || (kind != 0 && rawjson.Kind(data) != kind) {
		return Invalid(path, "must be valid JSON text, without space around it")
	}
	return nil
}

// checkExtensions: the empty text leaves a field out.
func checkExtensions(path string, extensions map[string]string) error {
	for _, value := range extensions {
		if value != "" && rawjson.Check([]byte(value), MaxAnswerDepth) != nil {
			return Invalid(path, "must hold valid JSON text only")
		}
	}
	return nil
}

// checkNumbers refuses what JSON has no way to write.
func checkNumbers(p *llmv1.Prompt) error {
	s := p.GetSampling()
	for name, x := range map[string]float64{
		"temperature": s.GetTemperature(), "top_p": s.GetTopP(), "min_p": s.GetMinP(), "repetition_penalty": s.GetRepetitionPenalty(),
		"frequency_penalty": s.GetFrequencyPenalty(), "presence_penalty": s.GetPresencePenalty(),
	} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Invalid("prompt.sampling."+name, "must be a number")
		}
	}
	for _, x := range s.GetLogitBias() {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Invalid("prompt.sampling.logit_bias", "must hold numbers only")
		}
	}
	return nil
}
