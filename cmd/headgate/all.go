package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/run"
	"github.com/headgate-mesh/headgate/sim"
)

// runAll serves `headgate all`: every service in this process, joined by an in-process channel.
func runAll(ctx context.Context, e env, args []string) error {
	cfg, err := parse(e, "all", args, nil, (*Config).checkClash)
	if err != nil {
		return err
	}
	loaded := cfg
	madeKey, err := ownSecrets(&cfg)
	if err != nil {
		return err
	}
	p, err := newProcess(ctx, e, cfg, "all")
	if err != nil {
		return err
	}
	p.loaded = loaded
	if err := p.addOps(); err != nil {
		return err
	}
	simulated, err := p.chooseProviders()
	if err != nil {
		return err
	}
	if err := p.addMesh(); err != nil {
		return err
	}
	addr, err := p.addGateway()
	if err != nil {
		return err
	}
	p.greet(addr, simulated, madeKey)
	return p.run(ctx)
}

// addMesh adds every service but the gateway, those that are called first, so that they stop last.
func (p *process) addMesh() error {
	if err := p.listenGRPC(); err != nil {
		return err
	}
	p.newServer("headgate")
	here := p.inProcess("headgate")
	// The router's own timers end its calls.
	toRouter := peer.InProcess(p.server.InProcess(), peer.Options{Credentials: p.credentials("headgate"), Timeout: peer.NoTimeout})
	p.peers = peers{router: toRouter, keys: here, ratelimit: here, cache: here, usage: here, batch: here}
	for _, add := range []func() error{p.addUsage, p.addKeys, p.addRateLimit, p.addCache} {
		if err := add(); err != nil {
			return err
		}
	}
	p.addKeyring()
	if err := p.addRouter(); err != nil {
		return err
	}
	if err := p.addBatch(); err != nil {
		return err
	}
	p.serveGRPC()
	return nil
}

// credentials prove to internal methods that a call comes from this mesh.
func (p *process) credentials(name string) auth.Credentials {
	return auth.PeerCredentials(name, auth.Secret(p.cfg.Secret.Reveal()))
}

// chooseProviders takes providers from the environment where the file has none, and a simulator of its own where that has
// none.
func (p *process) chooseProviders() (simulated bool, err error) {
	if err := p.findProviders(&p.cfg); !errors.Is(err, errNoProvider) {
		return false, err
	}
	s, err := sim.New(sim.Config{})
	if err != nil {
		return false, err
	}
	lis, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return false, fmt.Errorf("simulator: %w", err)
	}
	p.group.Add(run.Component{Name: "simulator", Run: func(ctx context.Context) error { return serveSim(ctx, lis, s) }})
	p.simulator = lis.Addr().String()
	return true, p.findProviders(&p.cfg)
}

// greet tells a person at a terminal what answers and how to ask it.
func (p *process) greet(addr net.Addr, simulated, madeKey bool) {
	w := p.env.stdout
	if simulated {
		fmt.Fprintln(w, "No provider is configured: the built-in simulator answers, no model does.")
		fmt.Fprintln(w, "Set ANTHROPIC_API_KEY, OPENAI_API_KEY, VLLM_BASE_URL or TGI_BASE_URL, or write a headgate.yaml, to ask real ones.")
	}
	key := "$HEADGATE_ADMIN_KEY"
	if madeKey {
		key = p.cfg.AdminKey.Reveal()
	}
	fmt.Fprintf(w, "Headgate %s is ready: HTTP on %s, gRPC on %s, operations on %s. Try it:\n\n%s\n\n",
		version, addr, p.cfg.Listen.GRPC.Addr, p.cfg.Listen.Ops.Addr, p.example(addr, key))
}

// example is a request that can be answered: by the first configured model, or else by the first provider.
func (p *process) example(addr net.Addr, key string) string {
	kind, model := p.exampleModel()
	if kind == "anthropic" {
		return fmt.Sprintf(`  curl -N http://%s/v1/messages -H "x-api-key: %s" -H "anthropic-version: 2023-06-01" -H "content-type: application/json" \
    -d '{"model": %q, "max_tokens": 1024, "stream": true, "messages": [{"role": "user", "content": "Explain RAG"}]}'`, addr, key, model)
	}
	return fmt.Sprintf(`  curl -N http://%s/v1/chat/completions -H "Authorization: Bearer %s" -H "content-type: application/json" \
    -d '{"model": %q, "stream": true, "messages": [{"role": "user", "content": "Explain RAG"}]}'`, addr, key, model)
}

// exampleModel is a model's name, and the kind of provider in whose dialect to ask for it.
func (p *process) exampleModel() (kind, model string) {
	for name := range p.cfg.Models.All() {
		return "openai", name
	}
	for name, provider := range p.cfg.Providers.All() {
		switch provider.Kind {
		case "anthropic":
			return provider.Kind, "claude-opus-4-6"
		case "openai":
			return provider.Kind, "gpt-5"
		}
		return provider.Kind, name + "/MODEL"
	}
	return "openai", "gpt-5"
}
