package router

import (
	"slices"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/tgi"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/vllm"
)

// WithDefaults fills in what is unset and doesn't depend on anything else, for people to read.
func (c Config) WithDefaults() Config {
	c.Timeouts = c.Timeouts.Over(DefaultTimeouts())
	if c.UsageLog.MaxBytes == 0 {
		c.UsageLog.MaxBytes = defaultUsageLog
	}
	var providers conf.Map[Provider]
	for name, p := range c.Providers.All() {
		providers.Set(name, p.withDefaults())
	}
	var models conf.Map[Model]
	for name, m := range c.Models.All() {
		models.Set(name, m.withDefaults())
	}
	c.Providers, c.Models = providers, models
	return c
}

func (m Model) withDefaults() Model {
	if m.Strategy == "" {
		m.Strategy = "failover"
	}
	if m.Strategy != "weighted" {
		return m
	}
	m.Targets = slices.Clone(m.Targets)
	for i := range m.Targets {
		weight := m.Targets[i].weight()
		m.Targets[i].Weight = &weight
	}
	return m
}

// defaultUsageLog is the spool's own.
const defaultUsageLog conf.Bytes = 1 << 30

func (m Provider) withDefaults() Provider {
	if m.Trust == "" {
		m.Trust = "medium"
	}
	if m.Batch == "" && (m.Kind == openai.Kind || m.Kind == anthropic.Kind) {
		m.Batch = batchAuto
	}
	if !replicated(m.Kind) {
		return m
	}
	if n := m.inFlight(); n > 0 {
		m.MaxInFlight = &n
	}
	if m.Kind == vllm.Kind || m.Kind == tgi.Kind {
		n := m.waiting()
		m.MaxWaiting = &n
	}
	h := m.health()
	m.HealthCheck = HealthCheck{Interval: new(time.Duration), Timeout: h.Timeout}
	*m.HealthCheck.Interval = h.Interval
	if m.Kind == vllm.Kind || m.Kind == tgi.Kind {
		m.HealthCheck.Path = h.Path
	}
	return m
}
