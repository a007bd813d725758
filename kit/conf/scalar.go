package conf

import (
	"math"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// scalar decodes one value. Text in quotes is no number and no boolean, unless the environment had a part in it.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	text, expanded, err := expand(n.Value, d.doc.lookup)
	if err != nil {
		d.fail(n, path, err.Error())
		return
	}
	quoted := n.ShortTag() == "!!str" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && !expanded
	if complaint := setScalar(v, text, n, quoted, expanded); complaint != "" {
		d.fail(n, path, complaint)
	}
}

// setScalar sets v from text and says what v has to be where it can't.
func setScalar(v reflect.Value, text string, n *yaml.Node, quoted, expanded bool) string {
	if u := asText(v); u != nil {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return err.Error()
		}
		return ""
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return setDuration(v, text)
	}
	if quoted && v.Kind() != reflect.String && v.Kind() != reflect.Interface {
		return "has to be " + number(v) + ", without quotes"
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return ""
	case reflect.Interface:
		return setAny(v, text, n, expanded)
	}
	return setNumber(v, text)
}

func setDuration(v reflect.Value, text string) string {
	d, err := parseDuration(text)
	if err != nil {
		return err.Error()
	}
	v.SetInt(int64(d))
	return ""
}

// setNumber sets booleans and numbers.
func setNumber(v reflect.Value, text string) string {
	bad := "has to be " + number(v)
	switch {
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return bad
		}
		v.SetBool(text == "true")
	case v.CanInt():
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return bad
		}
		v.SetInt(i)
	case v.CanUint():
		u, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return bad
		}
		v.SetUint(u)
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return bad
		}
		v.SetFloat(f)
	default:
		return "has to be " + wanted(v) + ", not a single value"
	}
	return ""
}

// number names the scalar that a value is.
func number(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt():
		return "a whole number"
	case v.CanUint():
		return "a whole number, not negative"
	case v.CanFloat():
		return "a number"
	}
	return wanted(v)
}

// setAny keeps YAML's own type of a value; what the environment gave is text.
func setAny(v reflect.Value, text string, n *yaml.Node, expanded bool) string {
	if v.NumMethod() != 0 {
		return "can't be decoded into " + v.Type().String()
	}
	out := reflect.ValueOf(text)
	if !expanded {
		switch n.ShortTag() {
		case "!!bool":
			out = reflect.ValueOf(text == "true")
		case "!!int":
			if i, err := strconv.ParseInt(text, 0, 64); err == nil {
				out = reflect.ValueOf(i)
			}
		case "!!float":
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				out = reflect.ValueOf(f)
			}
		}
	}
	v.Set(out)
	return ""
}
