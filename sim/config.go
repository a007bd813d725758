package sim

import (
	"errors"
	"fmt"
	"time"
)

// Defaults of Config.
const (
	defaultMaxBody = 32 << 20
	defaultRecent  = 256
)

// Config chooses what the simulator does when the request doesn't say otherwise. The zero value works.
type Config struct {
	// Keys are the API keys that are accepted. Empty accepts any non-empty key.
	Keys []string `yaml:"keys"`
	// Faults is the script that applies to every request; what the request itself says comes on top, word by word.
	Faults Script `yaml:"faults"`
	// Models are the names that GET /v1/models lists. Default: a handful of each vendor's. Whatever is listed here,
	// chat answers any gpt-*, chatgpt-*, o<digit>* and claude-* name too, and TGI any name at all.
	Models []Model `yaml:"models"`
	// VLLM and TGI are what the self-hosted servers can do at once.
	VLLM Engine `yaml:"vllm"`
	TGI  Engine `yaml:"tgi"`
	// MaxBody is the longest request body in bytes; a longer one gets the vendor's 413. Default 32 MiB.
	MaxBody int64 `yaml:"max_body"`
	// Recent is how many requests Requests remembers (at most 64 MiB of bodies). Default 256; negative remembers none.
	Recent int `yaml:"recent"`
	// Seed goes into every derived id, so two simulators with different seeds give different ids.
	Seed string `yaml:"seed"`
	// BatchDir is a directory where batches and their files are kept, made if it isn't there: a simulator that is killed
	// and started again goes on with them. One simulator at a time. Empty keeps them in memory.
	BatchDir string `yaml:"batch_dir"`
	// Now is the clock behind `created`, rate-limit resets and the times in Requests and Stats. Default time.Now.
	Now func() time.Time `yaml:"-"`
}

// withDefaults fills what was left out.
func (c Config) withDefaults() Config {
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Recent == 0 {
		c.Recent = defaultRecent
	}
	if len(c.Models) == 0 {
		c.Models = defaultModels()
	}
	c.VLLM = c.VLLM.withDefaults(Engine{Slots: 256, Context: 40_960})
	c.TGI = c.TGI.withDefaults(Engine{Slots: 128, Limit: 128, Context: 32_768})
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Validate returns an error that names the first field that can't be used, by its YAML name.
func (c Config) Validate() error {
	for i, k := range c.Keys {
		if k == "" {
			return fmt.Errorf("keys[%d]: is empty", i)
		}
	}
	if _, err := parseScript(newPlan(), string(c.Faults)); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	if c.MaxBody < 0 {
		return errors.New("max_body: is negative")
	}
	for name, e := range map[string]Engine{"vllm": c.VLLM, "tgi": c.TGI} {
		if e.Slots < 0 || e.Limit < 0 || e.Context < 0 {
			return fmt.Errorf("%s: a number is negative", name)
		}
	}
	return validateModels(c.Models)
}

func validateModels(models []Model) error {
	seen := make(map[string]bool, len(models))
	for i, m := range models {
		if err := m.validate(); err != nil {
			return fmt.Errorf("models[%d].%w", i, err)
		}
		if seen[m.ID] {
			return fmt.Errorf("models[%d].id: %q is listed twice", i, m.ID)
		}
		seen[m.ID] = true
	}
	return nil
}
