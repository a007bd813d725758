package peer

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // client-side health checking, which the service config asks for
	"google.golang.org/grpc/keepalive"
)

const (
	pingEvery   = 30 * time.Second
	pingTimeout = 10 * time.Second
)

// Conn is a connection to a service, with every call carrying what Options says. It is safe for concurrent use; the
// caller closes it.
type Conn struct {
	calls
	conn *grpc.ClientConn
}

// Dial prepares a connection and begins to connect; it doesn't wait, so an absent server shows in the calls. Addresses
// take turns, those that aren't healthy get no calls. A call fails at once where no address is up: gRPC retries nothing
// but a request that no server has seen. A plaintext connection to anything but loopback is refused unless
// Config.Plaintext asks for it.
func Dial(c Config, o Options) (*Conn, error) {
	o = o.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	creds, err := transport(c)
	if err != nil {
		return nil, err
	}
	config, err := serviceConfig(o.HealthService)
	if err != nil {
		return nil, err
	}
	target, resolvers := c.target()
	conn, err := grpc.NewClient(target, append(dialOptions(o, creds, config), resolvers...)...)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", c.Address, err)
	}
	conn.Connect()
	return &Conn{calls: newCalls(conn, o, c.Address), conn: conn}, nil
}

func dialOptions(o Options, creds credentials.TransportCredentials, config string) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDisableServiceConfig(), // a TXT record must not change how the mesh calls
		grpc.WithDisableRetry(),
		grpc.WithNoProxy(), // the mesh is never behind HTTP_PROXY
		grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(o.MaxRecv), grpc.MaxCallSendMsgSize(o.MaxSend)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: pingEvery, Timeout: pingTimeout, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
	}
}

// serviceConfig is gRPC's own JSON for balancing and health checking.
func serviceConfig(healthService string) (string, error) {
	text, err := json.Marshal(map[string]any{
		"loadBalancingConfig": []any{map[string]any{"round_robin": map[string]any{}}},
		"healthCheckConfig":   map[string]any{"serviceName": healthService},
	})
	return string(text), err
}

// transport decides between TLS and plaintext.
func transport(c Config) (credentials.TransportCredentials, error) {
	if c.insecure() {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return credentials.NewTLS(config), nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file %s holds no certificate", c.CAFile)
	}
	return credentials.NewTLS(config), nil
}

// Ready reports whether at least one address is connected and healthy.
func (c *Conn) Ready() bool { return c.conn.GetState() == connectivity.Ready }

// Close ends the connection and every call on it.
func (c *Conn) Close() error { return c.conn.Close() }
