package adapter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// maxResult bounds one line of a batch's results.
const maxResult = 32 << 20

// lines fetches a file of one JSON object a line and shows each; the bytes are valid until take returns. An end short of
// the end, and a last line that is half there, are STREAM_TRUNCATED.
func (b batches) lines(ctx context.Context, key credential.Lease, path string, take func(line []byte) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, batchFetch, b.late(upstream.TimerTotal, batchFetch))
	defer cancel()
	ctx, still := b.watchStill(ctx)
	defer still.stop()
	resp, err := b.client.Send(ctx, upstream.Request{Method: http.MethodGet, Path: path, Header: b.ownHeader(), Key: key})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, err := b.ok(ctx, resp)
		return err
	}
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(make([]byte, 0, batchBuffer), maxResult)
	for still.moved(); scan.Scan(); still.moved() {
		still.rest()
		if line := bytes.TrimSpace(scan.Bytes()); len(line) > 0 {
			if err := take(line); err != nil {
				return err
			}
		}
	}
	return b.ended(ctx, scan.Err())
}

// ended explains how the reading of a file ended.
func (b batches) ended(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return b.client.Explain(ctx, err)
	case errors.Is(err, bufio.ErrTooLong):
		return b.malformed("a result larger than Headgate takes", err)
	}
	return b.truncated(err)
}

// result reads one line of a file into out.
func (b batches) result(line []byte, out any) error {
	err := json.Unmarshal(line, out)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(line)):
		return b.truncated(err) // half of a line: the rest never came
	}
	return b.malformed("a result that can't be understood", err)
}

// fewer is the failure of a file that has fewer lines than the provider counted.
func (b batches) fewer(got, want int64) error {
	if got >= want {
		return nil
	}
	return b.truncated(nil)
}

func answered(id string, status int, body []byte) *routerv1.JobResult {
	return &routerv1.JobResult{
		Id: text(id), Outcome: routerv1.JobOutcome_JOB_OUTCOME_ANSWERED, HttpStatus: int32(status), Body: body, //nolint:gosec // an HTTP status
	}
}
