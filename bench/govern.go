package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// creators is how many keys are made at once.
const creators = 16

var errNoKeys = errors.New("this headgate has no POST /api/v1/keys: update it, or measure with -governed=false")

// createKeys makes clients' keys with limits that no load reaches, and returns them once Headgate takes them.
func createKeys(ctx context.Context, addr string, n int) ([]string, error) {
	keys, errs := make([]string, n), make([]error, creators)
	var wg sync.WaitGroup
	for c := range min(creators, n) {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += creators {
				keys[i], errs[c] = createKey(ctx, addr, i)
			}
		})
	}
	wg.Wait()
	if err := first(errs); err != nil {
		return nil, fmt.Errorf("making keys: %w", err)
	}
	return keys, taken(ctx, addr, keys)
}

func createKey(ctx context.Context, addr string, i int) (string, error) {
	body := fmt.Sprintf(`{"name": "bench %d", "limits": {"requests_per_minute": 1000000000, "tokens_per_minute": 10000000000, "concurrent_requests": 10000}}`, i)
	var made struct{ Secret, Message string }
	status, err := call(ctx, http.MethodPost, "http://"+addr+"/api/v1/keys", adminKey, body, &made)
	switch {
	case err != nil:
		return "", err
	case status == http.StatusNotFound:
		return "", errNoKeys
	case status != http.StatusOK || made.Secret == "":
		return "", fmt.Errorf("status %d: %s", status, made.Message)
	}
	return made.Secret, nil
}

// taken waits until the first and the last key are known everywhere, at most ten seconds.
func taken(ctx context.Context, addr string, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, key := range []string{keys[0], keys[len(keys)-1]} {
		for {
			status, err := call(ctx, http.MethodGet, "http://"+addr+"/v1/models", key, "", nil)
			if err == nil && status == http.StatusOK {
				break
			}
			if pause(ctx, 20*time.Millisecond) != nil {
				return fmt.Errorf("a key that was made isn't taken: status %d, %w", status, errors.Join(err, ctx.Err()))
			}
		}
	}
	return nil
}

// call makes one request and reads its JSON into out, unless that is nil.
func call(ctx context.Context, method, url, key, body string, out any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body))) //nolint:gosec // an address of our own, on loopback
	if err != nil {
		return 0, err
	}
	return send(req, key, out)
}

// send makes a request and reads its JSON into out, unless that is nil.
func send(req *http.Request, key string, out any) (status int, err error) {
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // an address of our own, on loopback
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(out)
}
