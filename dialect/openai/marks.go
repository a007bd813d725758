package openai

// marks are extensions that a decoder sets itself; a nil marks takes none.
type marks map[string]string

// set says what stands at a path.
func (m marks) set(path, json string) {
	if m != nil {
		m[path] = json
	}
}

// absent says that nothing stands at a path where the encoder would write something.
func (m marks) absent(path string) { m.set(path, "") }

// with joins marks and what a reader left; nil where there is nothing.
func (m marks) with(left map[string]string) map[string]string {
	if len(m) == 0 {
		return left
	}
	for path, value := range left {
		m[path] = value
	}
	return m
}
