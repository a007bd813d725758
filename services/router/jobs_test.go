package router_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/router"
)

const adminKey = "hg_a_key_of_the_administrator"

// overBoth runs a test against a router's JobService, in process and over a connection.
func overBoth(t *testing.T, h http.HandlerFunc, test func(t *testing.T, c, outside routerv1.JobServiceClient)) {
	t.Helper()
	for _, inProcess := range []bool{true, false} {
		t.Run(map[bool]string{true: "in process", false: "over a connection"}[inProcess], func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(h)
			t.Cleanup(web.Close)
			var cfg router.Config
			cfg.Providers.Set("p", router.Provider{Kind: "anthropic", APIKeys: []conf.Secret{"first-key", "second-key"}, BaseURL: web.URL})
			secret := auth.Secret("a root secret for tests, 32 byte")
			d := deps()
			d.Secret = secret
			s, err := router.New(cfg, d)
			if err != nil {
				t.Fatal(err)
			}
			server := rpc.NewServer(rpc.Options{
				Verifier: auth.NewAdminKey(adminKey), Peers: auth.NewPeerVerifier(secret),
				Validate: func(_ string, m proto.Message) error { return s.Validate(m) },
			})
			s.Register(server)
			inside := channel(t, server, inProcess, peer.Options{Credentials: auth.PeerCredentials("batch", secret)})
			outside := channel(t, server, inProcess, peer.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			stopped := make(chan error, 1)
			go func() { stopped <- s.Run(ctx) }()
			t.Cleanup(func() {
				cancel()
				<-stopped
			})
			test(t, routerv1.NewJobServiceClient(inside), routerv1.NewJobServiceClient(outside))
		})
	}
}

func channel(t *testing.T, server *rpc.Server, inProcess bool, o peer.Options) grpc.ClientConnInterface {
	t.Helper()
	if inProcess {
		return peer.InProcess(server.InProcess(), o)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, lis) }()
	conn, err := peer.Dial(peer.Config{Address: lis.Addr().String()}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		cancel()
		<-served
	})
	return conn
}

func description(provider string) *routerv1.SubmitJobRequest {
	return &routerv1.SubmitJobRequest{Part: &routerv1.SubmitJobRequest_Description{Description: &routerv1.JobDescription{
		JobId: "job_1", Provider: provider, Operation: routerv1.Operation_OPERATION_CHAT,
	}}}
}

func line(body string) *routerv1.SubmitJobRequest {
	return &routerv1.SubmitJobRequest{Part: &routerv1.SubmitJobRequest_Lines{Lines: &routerv1.JobLines{
		Lines: []*routerv1.JobLine{{Id: "job_1-0", Body: []byte(body)}},
	}}}
}

// TestJobAccess: a line is prepared on behalf of a key, a job is asked about by the mesh alone, and nobody else may either.
func TestJobAccess(t *testing.T) {
	t.Parallel()
	overBoth(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"processing_status":"in_progress"}`)
	}, func(t *testing.T, c, outside routerv1.JobServiceClient) {
		ask := &routerv1.PrepareLineRequest{
			Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Operation: routerv1.Operation_OPERATION_CHAT,
			Body: []byte(`{"model":"claude-haiku-4-5","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}`),
		}
		got, err := c.PrepareLine(auth.WithOnBehalf(t.Context(), auth.AdminKeyID), ask)
		if err != nil || got.GetLive() || got.GetContext().GetProvider() != "p" {
			t.Errorf("on behalf of a key: %v, %v", got, err)
		}
		if _, err := c.PrepareLine(t.Context(), ask); fault.From(err).Reason != errorsv1.Reason_REASON_MISSING_API_KEY {
			t.Errorf("on nobody's behalf: %v", err)
		}
		if _, err := c.PrepareLine(auth.WithOnBehalf(t.Context(), "revoked"), ask); fault.From(err).Reason != errorsv1.Reason_REASON_INVALID_API_KEY {
			t.Errorf("on behalf of a revoked key: %v", err)
		}
		job := &routerv1.GetJobRequest{Job: &routerv1.JobReference{Provider: "p", UpstreamId: "msgbatch_1"}}
		if state, err := c.GetJob(t.Context(), job); err != nil || state.GetState() != routerv1.JobState_JOB_STATE_RUNNING {
			t.Errorf("by the mesh: %v, %v", state, err)
		}
		if _, err := outside.GetJob(auth.WithKey(t.Context(), adminKey), job); fault.From(err).Reason != errorsv1.Reason_REASON_PERMISSION_DENIED {
			t.Errorf("by a key alone: %v", err)
		}
		job.Job.UpstreamId = "../models"
		if _, err := c.GetJob(t.Context(), job); fault.From(err).Reason != errorsv1.Reason_REASON_INVALID_FIELD {
			t.Errorf("a path: %v", err)
		}
	})
}

// TestJobMarks: what a job is referred to by tells nothing of the key.
func TestJobMarks(t *testing.T) {
	t.Parallel()
	overBoth(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"id":"msgbatch_1"}`)
	}, func(t *testing.T, c, _ routerv1.JobServiceClient) {
		s, err := c.SubmitJob(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(s.Send(description("p")), s.Send(line(`{"a":1}`)))
		got, failed := s.CloseAndRecv()
		mark := got.GetJob().GetCredential()
		if err != nil || failed != nil || len(mark) != 16 || strings.Contains(mark, "key") {
			t.Errorf("%v, %v, %v", got, err, failed)
		}
	})
}

// TestRefusedWhileLinesCome: the provider's refusal, and Headgate's own, reach a caller that isn't done with its lines.
func TestRefusedWhileLinesCome(t *testing.T) {
	t.Parallel()
	overBoth(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"type":"error","error":{"type":"invalid_request_error","message":"no, first-key"}}`)
	}, func(t *testing.T, c, _ routerv1.JobServiceClient) {
		for provider, want := range map[string]errorsv1.Reason{"p": errorsv1.Reason_REASON_PROVIDER_ERROR, "q": errorsv1.Reason_REASON_NOT_FOUND} {
			ctx, cancel := context.WithCancel(t.Context())
			s, err := c.SubmitJob(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Send(description(provider))
			_ = s.Send(line(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`))
			var got routerv1.SubmitJobResponse
			f := fault.From(s.RecvMsg(&got)) // no end was sent
			if f == nil || f.Reason != want || f.Metadata["submitted"] != "no" || strings.Contains(f.Message, "first-key") {
				t.Errorf("%s: %v", provider, f)
			}
			cancel()
		}
	})
}

// TestRulesForLines: the rules hold for lines as they do for calls: what is redacted isn't handed over, and a rule's wish
// for the cache asks the line live.
func TestRulesForLines(t *testing.T) {
	t.Parallel()
	var cfg router.Config
	cfg.Providers.Set("p", router.Provider{Kind: "openai", APIKey: "k", BaseURL: "http://127.0.0.1:1/v1"})
	cfg.Rules = []router.Rule{
		{Name: "keep", When: `model == "gpt-4o"`, Cache: "on"},
		{Name: "scrub", When: "true", Redact: []string{"email"}},
	}
	server, ok := start(t, cfg)["headgate.router.v1.JobService"].(routerv1.JobServiceServer)
	if !ok {
		t.Fatal("there is no JobService")
	}
	ctx := auth.NewContext(t.Context(), auth.Principal{KeyID: "key_1"})
	for model, live := range map[string]bool{"gpt-5": false, "gpt-4o": true} {
		got, err := server.PrepareLine(ctx, &routerv1.PrepareLineRequest{
			Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: routerv1.Operation_OPERATION_CHAT,
			Body: []byte(`{"messages":[{"role":"user","content":"Write to ann@example.com"}],"model":"` + model + `"}`),
		})
		want := `{"messages":[{"role":"user","content":"Write to [REDACTED:email]"}],"model":"gpt-5"}`
		if live {
			want = ""
		}
		if err != nil || got.GetLive() != live || string(got.GetBody()) != want {
			t.Errorf("%s: %v, %v", model, got, err)
		}
	}
}
