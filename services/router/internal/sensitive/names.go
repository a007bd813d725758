package sensitive

// Names are all detectors: those that are built in, and the operator's own.
func (c *Config) Names() []string {
	names := append([]string(nil), builtInNames[:]...)
	for _, p := range c.Patterns {
		names = append(names, p.Name)
	}
	for _, d := range c.Dictionaries {
		names = append(names, d.Name)
	}
	return names
}

// Files are the dictionaries' files.
func (c *Config) Files() []string {
	var files []string
	for _, d := range c.Dictionaries {
		if d.File != "" {
			files = append(files, d.File)
		}
	}
	return files
}
