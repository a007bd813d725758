package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/peer"
)

const keyUsage = `usage: headgate key create --name NAME [flags]
       headgate key list [--tenant TENANT] [--all] [flags]
       headgate key get ID [flags]
       headgate key update ID [--name NAME] [--models MODELS] [--rpm N] [--expires TIME] [flags]
       headgate key rotate ID [--keep TIME] [flags]
       headgate key revoke ID [flags]`

// runKey serves `headgate key`: it manages the keys of a running mesh.
func runKey(ctx context.Context, e env, args []string) error {
	verbs := map[string]func(context.Context, env, []string) error{
		"create": runKeyCreate, "list": runKeyList, "get": runKeyGet,
		"update": runKeyUpdate, "rotate": runKeyRotate, "revoke": runKeyRevoke,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return errors.New(keyUsage)
	}
	return verbs[args[0]](ctx, e, args[1:])
}

// keyCommand is a verb of `headgate key`.
type keyCommand struct{ meshCommand }

func newKeyCommand(e env, verb string) *keyCommand {
	c := new(keyCommand)
	c.init(e, "key "+verb, keyUsage, func(p Peers) peer.Config { return p.Keys })
	return c
}

// call asks the keys service.
func (c *keyCommand) call(ask func(keysv1.KeyServiceClient) error) error {
	return c.ask(func(conn grpc.ClientConnInterface) error { return ask(keysv1.NewKeyServiceClient(conn)) })
}

func runKeyCreate(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "create")
	request := createFlags(c.flags)
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	r, err := request(time.Now())
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		made, err := client.CreateKey(ctx, r)
		if err != nil {
			return err
		}
		return c.showNew(made)
	})
}

// keyWithSecret is an answer in which a secret is shown.
type keyWithSecret interface {
	proto.Message
	GetKey() *keysv1.Key
	GetSecret() string
}

// showNew prints the secret alone to standard output, so that a script can take it, and the rest for a person. A secret that
// couldn't be written is lost.
func (c *keyCommand) showNew(made keyWithSecret) error {
	if c.json {
		return lost(made, printJSON(c.env.stdout, made))
	}
	_ = printKeys(c.env.stderr, time.Now(), made.GetKey()) // the secret matters more than what is said about it
	fmt.Fprintln(c.env.stderr, "\nThe key itself. It is shown this once and stored nowhere: keep it now.")
	_, err := fmt.Fprintln(c.env.stdout, made.GetSecret())
	return lost(made, err)
}

// lost says what to do about a secret that nobody has seen.
func lost(made keyWithSecret, err error) error {
	if err == nil {
		return nil
	}
	id := made.GetKey().GetId()
	return fmt.Errorf("the secret of %s couldn't be written and is lost (%w): headgate key rotate %s gives it another, headgate key revoke %s ends it", id, err, id, id)
}

func runKeyList(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "list")
	r := &keysv1.ListKeysRequest{PageSize: 1000}
	c.flags.StringVar(&r.Tenant, "tenant", "", "only this tenant's keys")
	c.flags.BoolVar(&r.IncludeEnded, "all", false, "also those that were revoked or have expired")
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		keys, err := allKeys(ctx, client, r)
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(c.env.stdout, &keysv1.ListKeysResponse{Keys: keys})
		}
		if len(keys) == 0 {
			fmt.Fprintln(c.env.stderr, none(r))
			return nil
		}
		return printKeys(c.env.stdout, time.Now(), keys...)
	})
}

// none is what to say where a list of keys is empty.
func none(r *keysv1.ListKeysRequest) string {
	switch {
	case r.GetTenant() == "" && r.GetIncludeEnded():
		return "There are no keys yet: headgate key create --name NAME"
	case r.GetIncludeEnded():
		return "The tenant has no keys."
	}
	return "There are no valid keys; --all also lists those that were revoked or have expired."
}

// allKeys goes through all pages.
func allKeys(ctx context.Context, client keysv1.KeyServiceClient, r *keysv1.ListKeysRequest) ([]*keysv1.Key, error) {
	var keys []*keysv1.Key
	for {
		page, err := client.ListKeys(ctx, r)
		if err != nil {
			return nil, err
		}
		keys = append(keys, page.GetKeys()...)
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			return keys, nil
		}
	}
}

func runKeyGet(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "get")
	rest, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		found, err := client.GetKey(ctx, &keysv1.GetKeyRequest{Id: rest[0]})
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(c.env.stdout, found.GetKey())
		}
		return printKey(c.env.stdout, time.Now(), found.GetKey())
	})
}

func runKeyRevoke(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "revoke")
	rest, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		ended, err := client.RevokeKey(ctx, &keysv1.RevokeKeyRequest{Id: rest[0]})
		if err != nil {
			return err
		}
		k := ended.GetKey()
		if c.json {
			return printJSON(c.env.stdout, k)
		}
		_, err = fmt.Fprintf(c.env.stdout, "%s (%s) is revoked since %s: every node refuses it within a second.\n",
			k.GetId(), k.GetName(), when(k.GetRevokedAt(), ""))
		return err
	})
}

// printJSON prints a message with the field names of the contract, always in the same form.
func printJSON(w io.Writer, m proto.Message) error {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	var value json.RawMessage = text
	text, err = json.MarshalIndent(value, "", "  ") // protojson's own indenting varies from build to build, on purpose
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
