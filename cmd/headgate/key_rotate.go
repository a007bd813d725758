package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
)

// runKeyRotate gives a key another secret.
func runKeyRotate(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "rotate")
	keep := c.flags.String("keep", "0s", "how long the old secret stays valid, too: a `time` such as 24h or 7d, at most 7d (default it ends at once)")
	rest, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	kept, err := parseKeep(*keep)
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		r, err := client.RotateKey(ctx, &keysv1.RotateKeyRequest{Id: rest[0], KeepOldFor: durationpb.New(kept)})
		if err != nil {
			return err
		}
		if !c.json {
			fmt.Fprintln(c.env.stderr, oldWords(r.GetKey())+"\n")
		}
		return c.showNew(r)
	})
}

func parseKeep(s string) (time.Duration, error) {
	if days := wholeDays(s); days > 0 {
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("--keep has to be a time such as 24h or 7d, or 0")
	}
	return d, nil
}

func oldWords(k *keysv1.Key) string {
	if k.GetOldSecretExpiresAt() == nil {
		return "The old secret has ended: every node refuses it within a second."
	}
	return "The old secret is valid, too, until " + when(k.GetOldSecretExpiresAt(), "") + "; one that was before it has ended."
}
