package tests

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	_ "github.com/headgate-mesh/headgate/gen/cache/v1"
	_ "github.com/headgate-mesh/headgate/gen/keys/v1"
	_ "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	_ "github.com/headgate-mesh/headgate/gen/router/v1"
	_ "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// nativeCase is one file of testdata/native: the same call over gRPC and REST, and what both answer.
type nativeCase struct {
	// Service is the process that has it in a split mesh; Method the full name.
	Service, Method string
	Request         json.RawMessage
	// HTTP is the REST call: method, path, and whether the request is its body; Content is the body where that is another.
	HTTP struct {
		Method, Path string
		Body         bool
		Content      json.RawMessage
	}
	// Key is whose key is presented: admin (the default), client, viewer, acme (a tenant's administrator), none.
	Key  string
	Want struct {
		// Reason and Field are the error's; empty where the call goes well. Says is a part of the answer or the message.
		Reason, Field, Says string
		Status              int
	}
}

// TestNative replays the cases of testdata/native over both transports, in one process and split.
func TestNative(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/native/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		keys := map[string]string{
			"": mesh.Key, "admin": mesh.Key, "none": "",
			"client": makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme"`).Secret,
			"viewer": makeKey(t, m, mesh.Key, `"name":"v","tenant":"acme","role":"ROLE_VIEWER"`).Secret,
			"acme":   makeKey(t, m, mesh.Key, `"name":"a","tenant":"acme","role":"ROLE_ADMIN","models":["gpt-*"],"limits":{"requests_per_minute":6000}`).Secret,
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var cases map[string]nativeCase
			if err := json.Unmarshal(data, &cases); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for name, c := range cases {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".json")+"/"+name, func(t *testing.T) {
					c.overHTTP(t, m, keys[c.Key])
					c.overGRPC(t, m, keys[c.Key])
				})
			}
		}
	})
}

func (c *nativeCase) overHTTP(t *testing.T, m *mesh.Mesh, key string) {
	t.Helper()
	if c.HTTP.Path == "" {
		return
	}
	body := string(c.HTTP.Content)
	if c.HTTP.Body {
		body = string(c.Request)
	}
	resp, got := ask(t, m, key, c.HTTP.Method, c.HTTP.Path, body)
	status := c.Want.Status
	if status == 0 {
		status = http.StatusOK
	}
	if resp.StatusCode != status || !strings.Contains(string(got), c.Want.Says) {
		t.Errorf("HTTP: %d, want %d that says %q: %s", resp.StatusCode, status, c.Want.Says, got)
	}
	if c.Want.Reason == "" {
		return
	}
	if f := readFailure(t, "native", got); f.code != c.Want.Reason || f.field != c.Want.Field {
		t.Errorf("HTTP: %s of %q, want %s of %q", f.code, f.field, c.Want.Reason, c.Want.Field)
	}
}

func (c *nativeCase) overGRPC(t *testing.T, m *mesh.Mesh, key string) {
	t.Helper()
	answer, err := call1(t, m, c.Service, c.Method, key, c.Request)
	if c.Want.Reason == "" {
		text, _ := protojson.MarshalOptions{UseProtoNames: true}.Marshal(answer)
		if err != nil || !strings.Contains(strings.ReplaceAll(string(text), " ", ""), strings.ReplaceAll(c.Want.Says, " ", "")) {
			t.Errorf("gRPC: %v %s", err, text)
		}
		return
	}
	reason, field := reasonOf(err)
	if reason != c.Want.Reason || field != c.Want.Field {
		t.Errorf("gRPC: %s of %q (%v), want %s of %q", reason, field, err, c.Want.Reason, c.Want.Field)
	}
}

func reasonOf(err error) (reason, field string) {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason(), info.GetMetadata()["field"]
		}
	}
	return "", ""
}

// call1 calls any method by its name and returns its first answer.
func call1(t *testing.T, m *mesh.Mesh, service, method, key string, request []byte) (proto.Message, error) {
	t.Helper()
	name := protoreflect.FullName(strings.ReplaceAll(method, "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		t.Fatal(err)
	}
	rpc := d.(protoreflect.MethodDescriptor)
	in, out := messageOf(t, rpc.Input()), messageOf(t, rpc.Output())
	if len(request) > 0 {
		if err := protojson.Unmarshal(request, in); err != nil {
			return nil, status.Error(3, err.Error())
		}
	}
	conn, err := grpc.NewClient(m.Addr(service), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := t.Context()
	if key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	return out, first(ctx, conn, rpc, in, out)
}

func first(ctx context.Context, conn *grpc.ClientConn, rpc protoreflect.MethodDescriptor, in, out proto.Message) error {
	full := "/" + string(rpc.Parent().FullName()) + "/" + string(rpc.Name())
	if !rpc.IsStreamingServer() && !rpc.IsStreamingClient() {
		return conn.Invoke(ctx, full, in, out)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, full)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(in); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func messageOf(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return kind.New().Interface()
}

// TestInternalMethods: what the contract doesn't open to roles is closed to every key, an administrator's included,
// whatever listener it knocks at.
func TestInternalMethods(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		internal := 0
		protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
			for i := range file.Services().Len() {
				s := file.Services().Get(i)
				service := strings.Split(string(s.FullName()), ".")[1]
				if !strings.HasPrefix(string(s.FullName()), "headgate.") || service == "provider" {
					continue
				}
				for j := range s.Methods().Len() {
					rpc := s.Methods().Get(j)
					if proto.HasExtension(rpc.Options(), accessv1.E_Access) {
						continue
					}
					internal++
					if _, err := call1(t, m, service, string(s.FullName())+"/"+string(rpc.Name()), mesh.Key, nil); err == nil {
						t.Errorf("%s answered a key", rpc.FullName())
					} else if reason, _ := reasonOf(err); reason != "PERMISSION_DENIED" {
						t.Errorf("%s: %v", rpc.FullName(), err)
					}
				}
			}
			return true
		})
		if internal < 6 {
			t.Errorf("only %d internal methods were found", internal)
		}
	})
}
