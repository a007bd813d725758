package standing

import (
	"sync"

	"github.com/headgate-mesh/headgate/services/router/internal/credential"
)

// Book is what is known of all targets of one configuration. Safe for concurrent use.
type Book struct {
	mu        sync.Mutex
	providers map[string]*Provider
	previous  *Book
}

// NewBook returns a book for a configuration. It takes over what the previous one's book knows of the targets that stay;
// previous may be nil, and stays usable.
func NewBook(previous *Book) *Book {
	return &Book{providers: make(map[string]*Provider), previous: previous}
}

// Settled forgets the previous book, once every provider of the configuration was asked for.
func (b *Book) Settled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.previous = nil
	for _, p := range b.providers {
		p.settled()
	}
}

// Provider returns what is known of a provider. Under another identity (its kind and addresses) it is another provider,
// of which nothing is known.
func (b *Book) Provider(name, identity string) *Provider {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.providers[name]; ok {
		return p
	}
	p := newProvider(identity, b.previous.find(name, identity))
	b.providers[name] = p
	return p
}

func (b *Book) find(name, identity string) *Provider {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.providers[name]; p != nil && p.identity == identity {
		return p
	}
	return nil
}

// Provider is what is known of one provider's targets. Safe for concurrent use. Of a nil one nothing is known.
type Provider struct {
	identity string
	// repeats is the budget of all targets that nobody configured: their names are the clients'.
	repeats *Budget

	mu       sync.Mutex
	named    map[string]*Target
	others   *recent
	keys     *credential.Pool
	previous *Provider
}

func newProvider(identity string, previous *Provider) *Provider {
	p := &Provider{identity: identity, named: make(map[string]*Target), previous: previous}
	if previous != nil {
		p.repeats, p.others = previous.repeats, previous.others
	} else {
		p.repeats, p.others = NewBudget(), newRecent()
	}
	return p
}

func (p *Provider) settled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.previous = nil
}

// Keys returns the pool of the provider's keys, with the rests of those that it had before.
func (p *Provider) Keys(values []string) *credential.Pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys == nil {
		p.keys = credential.New(values, p.previous.pool())
	}
	return p.keys
}

func (p *Provider) pool() *credential.Pool {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys
}

// Target returns a configured target.
func (p *Provider) Target(model string) *Target {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.named[model]
	if !ok {
		if t = p.previous.target(model); t == nil {
			t = NewTarget(NewBudget())
		}
		p.named[model] = t
	}
	return t
}

// target returns a configured target that is known.
func (p *Provider) target(model string) *Target {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.named[model]
}

// Other returns the target of a model that a client named: a configured one, or one of the last 1024 that were asked for.
func (p *Provider) Other(model string) *Target {
	if p == nil {
		return nil
	}
	if t := p.target(model); t != nil {
		return t
	}
	return p.others.get(model, p.repeats)
}
