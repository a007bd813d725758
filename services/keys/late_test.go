package keys_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/keys"
)

// lateMesh is a service whose node hears of no change: it takes everybody for the caller it knew first.
type lateMesh struct {
	t       *testing.T
	client  keysv1.KeyServiceClient
	node    *lateNode
	now     time.Time
	service *keys.Service
}

func newLateMesh(t *testing.T) *lateMesh {
	t.Helper()
	m := &lateMesh{t: t, node: &lateNode{}, now: time.Now()}
	service, err := keys.New(keys.Config{Store: "memory"}, keys.Deps{
		Hasher: apikey.NewHasher(secret()), Clock: func() time.Time { return m.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	server := rpc.NewServer(rpc.Options{Name: "keys", Verifier: m.node})
	service.Register(server)
	m.client, m.service = keysv1.NewKeyServiceClient(server.InProcess()), service
	return m
}

// operator has the node take everybody for the operator.
func (m *lateMesh) operator() {
	m.node.Principal = auth.Principal{KeyID: auth.AdminKeyID, Role: roleAdmin}
}

// admin makes an administrator's key of the default tenant, and has the node take everybody for it as it is now.
func (m *lateMesh) admin(limits *ratelimitv1.Limits) (id, secret string) {
	m.t.Helper()
	m.operator()
	made, err := m.client.CreateKey(outgoing("x"), &keysv1.CreateKeyRequest{
		Name: "n", Role: roleAdmin, ExpiresAt: timestamppb.New(m.now.Add(time.Hour)), Limits: limits,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.take(made.GetKey())
	return made.GetKey().GetId(), made.GetSecret()
}

func (m *lateMesh) take(k *keysv1.Key) {
	m.node.Principal = auth.Principal{
		KeyID: k.GetId(), Role: roleAdmin, Tenant: "default", Limits: k.GetLimits(), Expires: k.GetExpiresAt().AsTime(),
	}
}

// asOperator does something as the operator, whom a node takes for the caller otherwise.
func (m *lateMesh) asOperator(do func() error) {
	m.t.Helper()
	before := m.node.Principal
	m.operator()
	if err := do(); err != nil {
		m.t.Fatal(err)
	}
	m.node.Principal = before
}

// TestEndedCallerMakesNoKeys even where a node hasn't heard of the end yet, be it of the key or of its secret.
func TestEndedCallerMakesNoKeys(t *testing.T) {
	t.Parallel()
	m := newLateMesh(t)
	creates := func(secret string) error {
		_, err := m.client.CreateKey(outgoing(secret), &keysv1.CreateKeyRequest{Name: "n"})
		return err
	}
	id, first := m.admin(nil)
	if err := creates(first); err != nil {
		t.Errorf("before: %v", err)
	}
	var second, third string
	rotate := func(keep time.Duration, into *string) {
		m.asOperator(func() error {
			r, err := m.client.RotateKey(outgoing("x"), rotation(id, keep))
			*into = r.GetSecret()
			return err
		})
	}
	rotate(time.Minute, &second)
	if first, second := creates(first), creates(second); first != nil || second != nil {
		t.Errorf("while both are valid: %v, %v", first, second)
	}
	m.now = m.now.Add(time.Minute)
	refused(t, "the old secret after its time", creates(first), badKey, "")
	if err := creates(second); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	rotate(0, &third)
	refused(t, "a secret that ended at once", creates(second), badKey, "")
	if err := creates(third); err != nil {
		t.Errorf("the newest secret: %v", err)
	}
	_, err := m.client.RotateKey(outgoing(second), rotation(id, 0))
	refused(t, "rotating with it", err, badKey, "")
	_, err = m.client.UpdateKey(outgoing(second), &keysv1.UpdateKeyRequest{Key: &keysv1.Key{Id: id, Name: "mine"}})
	refused(t, "changing with it", err, badKey, "")
	m.asOperator(func() error {
		_, err := m.client.RevokeKey(outgoing("x"), &keysv1.RevokeKeyRequest{Id: id})
		return err
	})
	refused(t, "revoked", creates(third), badKey, "")

	_, other := m.admin(nil)
	m.now = m.now.Add(time.Hour)
	refused(t, "expired", creates(other), badKey, "")
}

// TestNarrowedCaller has its new rights at once, whatever a node that hasn't heard of them takes it for: it can't undo what
// was taken away.
func TestNarrowedCaller(t *testing.T) {
	t.Parallel()
	m := newLateMesh(t)
	id, secret := m.admin(&ratelimitv1.Limits{RequestsPerMinute: 600})
	m.asOperator(func() error {
		_, err := m.client.UpdateKey(outgoing("x"), change(id, "limits.requests_per_minute", limited(2)))
		return err
	})
	_, err := m.client.UpdateKey(outgoing(secret), change(id, "limits.requests_per_minute", limited(600)))
	refused(t, "widening itself again", err, exceeds, "limits.requests_per_minute")
	_, err = m.client.CreateKey(outgoing(secret), &keysv1.CreateKeyRequest{Name: "n", Limits: &ratelimitv1.Limits{RequestsPerMinute: 600}})
	refused(t, "a child as it was", err, exceeds, "limits.requests_per_minute")
}
