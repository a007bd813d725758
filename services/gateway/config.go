package gateway

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// Config bounds what comes in over HTTP. Its zero value is the defaults.
type Config struct {
	// MaxBody is the largest request body. Default 10MiB.
	MaxBody conf.Bytes `yaml:"max_body"`
	// MaxHeader is the largest request head. Default 32KiB.
	MaxHeader conf.Bytes `yaml:"max_header"`
	// MaxInFlight is how many requests are served at once; one more is refused with 503. Default 8192.
	MaxInFlight int `yaml:"max_in_flight"`
	// ReadProgress is how long a client may take to send the head, and then each next 16 KiB of the body. Default 10s.
	ReadProgress time.Duration `yaml:"read_progress"`
	// WriteStall is how long a client may take nothing of its answer before it counts as gone. Default 5m.
	WriteStall time.Duration `yaml:"write_stall"`
	// Idle is how long a connection is kept between requests. Default 120s.
	Idle time.Duration `yaml:"idle"`
	// Heartbeat is the longest silence on an event stream. Default 15s.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Drain is how long streams may go on after a stop signal. Default 10m.
	Drain time.Duration `yaml:"drain"`
	// PublicURL is where clients find the gateway, such as https://llm.example.com, where a proxy stands before it. Default:
	// the address that each client asked. The SDKs fetch a batch's results from it.
	PublicURL string `yaml:"public_url"`
	// MCP is the endpoint for agents, /mcp.
	MCP MCP `yaml:"mcp"`
}

// MCP says whether agents have an endpoint, and which web pages may call it.
type MCP struct {
	// Disabled takes the endpoint away. Default false.
	Disabled bool `yaml:"disabled"`
	// AllowedOrigins are web pages that may call it, as scheme://host or scheme://host:port. Default: none but pages on
	// loopback, of a gateway that is called on loopback. What isn't a browser sends no origin and always may.
	AllowedOrigins []string `yaml:"allowed_origins"`
	// AllowedHosts are names, without a port, under which a gateway on loopback may be called besides localhost and loopback
	// addresses: those of a reverse proxy before it. Default: none.
	AllowedHosts []string `yaml:"allowed_hosts"`
}

func (m MCP) validate(p *conf.Findings) {
	for i, o := range m.AllowedOrigins {
		if u, err := url.Parse(o); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			p.Add(fmt.Sprintf("mcp.allowed_origins[%d]", i), "must look like https://host or https://host:port")
		}
	}
	for i, h := range m.AllowedHosts {
		if h == "" || strings.ContainsAny(h, "/: ") {
			p.Add(fmt.Sprintf("mcp.allowed_hosts[%d]", i), "must be a host's name without scheme and port")
		}
	}
}

// Validate reports every field that can't work, by its path below `gateway`.
func (c Config) Validate() error {
	var p conf.Findings
	if c.MaxBody < 0 {
		p.Add("max_body", "can't be negative")
	}
	if c.MaxHeader < 0 {
		p.Add("max_header", "can't be negative")
	}
	if c.MaxInFlight < 0 {
		p.Add("max_in_flight", "can't be negative")
	}
	for name, d := range map[string]time.Duration{
		"read_progress": c.ReadProgress, "write_stall": c.WriteStall, "idle": c.Idle, "heartbeat": c.Heartbeat, "drain": c.Drain,
	} {
		if d < 0 {
			p.Add(name, "can't be negative")
		}
	}
	c.MCP.validate(&p)
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "") {
		p.Add("public_url", "must be an http or https address, such as https://llm.example.com")
	}
	return p.Err()
}

// WithDefaults fills in what is unset.
func (c Config) WithDefaults() Config {
	c.MaxBody = cmp.Or(c.MaxBody, 10<<20)
	c.MaxHeader = cmp.Or(c.MaxHeader, 32<<10)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 8192)
	c.ReadProgress = cmp.Or(c.ReadProgress, 10*time.Second)
	c.WriteStall = cmp.Or(c.WriteStall, 5*time.Minute)
	c.Idle = cmp.Or(c.Idle, 2*time.Minute)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.Drain = cmp.Or(c.Drain, 10*time.Minute)
	return c
}

// DrainTime is how long streams may go on after a stop signal.
func (c Config) DrainTime() time.Duration { return c.WithDefaults().Drain }
