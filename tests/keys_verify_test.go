package tests

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// mac is what a process of the mesh makes of a text under the key for one purpose, in the words of nobody's code.
func mac(t *testing.T, purpose, text string) []byte {
	t.Helper()
	key, err := hkdf.Key(sha256.New, []byte(mesh.Secret), nil, "headgate "+purpose, 32)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// TestVerifyKeyAsPeer: a process of the mesh that doesn't watch learns whose a secret is, at once after each change, and sends
// nothing but its hash.
func TestVerifyKeyAsPeer(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		conn, err := grpc.NewClient(m.Addr("keys"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client := keysv1.NewKeyServiceClient(conn)
		verify := func(peer, secret string) (*keysv1.VerifyKeyResponse, error) {
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-headgate-internal-peer", peer)
			return client.VerifyKey(ctx, &keysv1.VerifyKeyRequest{SecretHash: mac(t, "api key hash", secret)})
		}
		peer := "stranger " + hex.EncodeToString(mac(t, "peer", "stranger"))
		made := makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme","models":["gpt-*"]`)
		k, next := rotateKey(t, m, made.Key.ID, `{"keep_old_for":"60s"}`)
		for secret, ends := range map[string]bool{made.Secret: true, next: false} {
			got, err := verify(peer, secret)
			if err != nil || !got.GetValid() || got.GetKey().GetId() != k.ID || got.GetKey().GetTenant() != "acme" || (got.GetExpiresAt() != nil) != ends {
				t.Errorf("%v, %v", got, err)
			}
		}
		if got, err := verify(peer, "hg_live_nobodys"); err != nil || got.GetValid() || got.GetKey() != nil {
			t.Errorf("%v, %v", got, err)
		}
		if resp, body := ask(t, m, mesh.Key, http.MethodDelete, "/api/v1/keys/"+k.ID, ""); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s", resp.StatusCode, body)
		}
		for _, secret := range []string{made.Secret, next} {
			if got, err := verify(peer, secret); err != nil || got.GetValid() || got.GetKey().GetRevokedAt() == nil {
				t.Errorf("%v, %v", got, err)
			}
		}
		if reason, _ := reasonOf(second(verify("stranger 00", next))); reason != "PERMISSION_DENIED" {
			t.Errorf("a false peer: %s", reason)
		}
	})
}

func second[T any](_ T, err error) error { return err }
