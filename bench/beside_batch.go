package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"time"
)

// upload puts the batch's file there and returns its id.
func upload(ctx context.Context, addr, key string) (string, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "lines.jsonl")
	if err != nil {
		return "", err
	}
	for i := range besideLines {
		fmt.Fprintf(part, `{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":"Question %d"}]}}`+"\n",
			i, besideScenario.dialect.model, i)
	}
	if err := errors.Join(form.WriteField("purpose", "batch"), form.Close()); err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/files", &body) //nolint:gosec // an address of our own, on loopback
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	var made struct{ ID string }
	status, err := send(req, key, &made)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("uploading the batch's file: status %d", status)
	}
	return made.ID, err
}

// running is a batch under way.
type running struct{ url, key string }

// begin makes a batch and waits until the first of its lines are answered.
func begin(ctx context.Context, addr, key, file string) (running, error) {
	var made struct{ ID string }
	body := fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, file)
	status, err := call(ctx, http.MethodPost, "http://"+addr+"/v1/batches", key, body, &made)
	if err != nil {
		return running{}, err
	}
	if status != http.StatusOK {
		return running{}, fmt.Errorf("making the batch: status %d", status)
	}
	b := running{url: "http://" + addr + "/v1/batches/" + made.ID, key: key}
	for deadline := time.Now().Add(30 * time.Second); ; {
		n, err := b.completed(ctx)
		switch {
		case err != nil:
			return b, err
		case n > 0:
			return b, nil
		case time.Now().After(deadline):
			return b, errors.New("no line of the batch was answered in half a minute")
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return b, err
		}
	}
}

// completed is how many of its lines have a good answer.
func (b running) completed(ctx context.Context) (int64, error) {
	var got struct {
		Counts struct{ Completed, Failed int64 } `json:"request_counts"`
	}
	_, err := call(ctx, http.MethodGet, b.url, b.key, "", &got)
	if got.Counts.Failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d lines of the batch failed", got.Counts.Failed))
	}
	return got.Counts.Completed, err
}

// cancel ends it and waits until it has ended.
func (b running) cancel(ctx context.Context) error {
	if _, err := call(ctx, http.MethodPost, b.url+"/cancel", b.key, "", nil); err != nil {
		return err
	}
	for {
		var got struct{ Status string }
		_, err := call(ctx, http.MethodGet, b.url, b.key, "", &got)
		if err != nil || got.Status == "cancelled" || got.Status == "completed" {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
